package drift

// ContractRule is one rule by which setups are judged, as docs/rules.md lists it.
type ContractRule struct {
	ID       string // as setups name it
	Title    string
	Says     string
	Sources  []string // pages of the AWS documentation, or a published source
	Assumes  string   // what the rule takes for granted and AWS does not document; empty: nothing
	Findings []string // the rules of the findings that it makes
}

// ContractRules are the rules, in their order.
func ContractRules() []ContractRule { return contractRules }

const (
	ugRotation  = "Secrets Manager User Guide, \"Lambda rotation function execution role permissions\""
	ugSteps     = "Secrets Manager User Guide, \"Rotation by Lambda function\""
	ugTrouble   = "Secrets Manager User Guide, \"Troubleshoot rotation\""
	sarSecrets  = "Service Authorization Reference, AWS Secrets Manager"
	sarEC2      = "Service Authorization Reference, Amazon EC2"
	iamEval     = "IAM User Guide, \"Policy evaluation logic\""
	iamKeys     = "IAM User Guide, \"AWS global condition context keys\""
	iamNotPrinc = "IAM User Guide, \"AWS JSON policy elements: NotPrincipal\""
	ldgVPC      = "Lambda Developer Guide, \"Giving Lambda functions access to resources in an Amazon VPC\""
	ldgStates   = "Lambda Developer Guide, \"Lambda function states\""
	ldgRole     = "Lambda Developer Guide, \"Defining Lambda function permissions with an execution role\""
	ldgPolicy   = "Lambda Developer Guide, \"Viewing resource-based IAM policies in Lambda\""
	kmsPolicy   = "KMS Developer Guide, \"Key policies in AWS KMS\""
	kmsGrants   = "KMS Developer Guide, \"Grants in AWS KMS\""
	kmsStates   = "KMS Developer Guide, \"Key states of AWS KMS keys\""
	ugCross     = "Secrets Manager User Guide, \"Access AWS Secrets Manager secrets from a different account\""
	ugExternal  = "Secrets Manager User Guide, managed external secrets, \"Security and permissions\""
	templates   = "aws-samples/aws-secrets-manager-rotation-lambdas"
)

var contractRules = []ContractRule{
	{
		ID: "1", Title: "Grants are compared, not text",
		Says: "All documented generations of the secret statement are as good for the secret at hand: `*` where AllowRotationLambdaArn is the function, the secret's full ARN, `NAME-??????`, the secrets of the account " +
			"under the condition. Split, merged, reordered, wildcarded, inline or attached makes no difference. Every action of a rotation that is denied is a finding of its own.",
		Sources: []string{ugRotation, ugSteps, templates}, Findings: []string{RuleSecretAccess},
	},
	{
		ID: "2", Title: "AllowRotationLambdaArn is compared as stored",
		Says:    "The condition is compared with the RotationLambdaARN that the secret stores, qualifier included.",
		Sources: []string{sarSecrets}, Findings: []string{RuleRotationFunction},
	},
	{
		ID: "3", Title: "GetRandomPassword stands alone",
		Says:    "The action has no resource type and none of a secret's condition keys: inside a conditioned or ARN-scoped statement it is not granted.",
		Sources: []string{sarSecrets}, Findings: []string{RuleRandomPassword},
	},
	{
		ID: "4", Title: "An absent key makes a positive condition false",
		Says: "The function's own calls carry neither aws:SourceAccount nor aws:SourceArn: those conditions void a role's statement, a form that AWS once printed. In trust and function policies the service sends both. " +
			"A key whose value cannot be known (address, time, endpoint, organization) and that decides makes the secret unknown.",
		Sources: []string{iamKeys, ugRotation}, Findings: []string{RuleAbsentKey},
	},
	{
		ID: "5", Title: "What is allowed is what all policies together allow",
		Says: "An Allow in any inline or attached policy, or for the role in the secret's or key's resource policy; no matching Deny anywhere; inside the permissions boundary. The boundary limits a resource policy's Allow for the " +
			"role's ARN, not one for its session. An Allow for the account root delegates and grants nothing by itself; a Deny for the root or `*` binds every principal; a Deny with NotPrincipal always hits a role that has a " +
			"boundary. A document that could not be read makes the secret unknown, unless the denial is certain without it.",
		Sources: []string{iamEval, iamNotPrinc}, Assumes: "GetResourcePolicy shows a secret's default policy; SCPs, RCPs and endpoint policies are not visible from the account.",
		Findings: []string{RuleBoundary},
	},
	{
		ID: "6", Title: "A Deny counts if it can match a rotation's call",
		Says:    "A Deny of network interfaces under lambda:SourceFunctionArn cannot: Lambda's own calls do not carry that key. An exclusion list by aws:PrincipalArn can: for a session the key holds the role's ARN.",
		Sources: []string{ldgVPC, iamKeys}, Findings: []string{RuleExplicitDeny},
	},
	{
		ID: "7", Title: "Network interfaces, only with subnets",
		Says: "Any documented set is good, on `*`. Missing is latent: it is felt when Lambda makes the interfaces anew. It is broken once the function's state says so (Inactive, Failed). A function that cannot be invoked in its state is " +
			"broken whatever its policies say.",
		Sources: []string{ldgVPC, ldgStates, sarEC2}, Findings: []string{RuleNetwork, RuleFunctionState},
	},
	{
		ID: "8", Title: "KMS, only for a customer key",
		Says: "Decrypt and GenerateDataKey on the key behind whatever the secret names; an alias in Resource authorizes nothing. The key policy may grant it instead of the role, and so may a grant; a key policy that does not " +
			"delegate to the account voids the role's statements. DescribeKey is never required. For another account's key both sides must allow. A key that is disabled or pending deletion stops the rotation.",
		Sources:  []string{ugRotation, kmsPolicy, kmsGrants, kmsStates, ugCross},
		Assumes:  "The value of kms:ViaService in partitions whose endpoints end otherwise than in amazonaws.com; the boundary is taken to limit a grant as it limits the key policy.",
		Findings: []string{RuleKey, RuleKeyState},
	},
	{
		ID: "9", Title: "The master secret is declared, never read",
		Says: "It comes from the configuration, the tag rotationguard:master-secret, or the stack's parameters superuserSecretArn and masterSecretArn, the strongest first. Undeclared it makes nothing unknown: the secret is judged as " +
			"single-user, and an extra GetSecretValue on one literal secret is a possible master, never removed. A partial ARN is resolved with DescribeSecret; in a policy it matches nothing. A master that RDS owns also needs " +
			"DescribeSecret on it and rds:DescribeDBInstances or rds:DescribeDBClusters. A declaration that cannot be used makes the secret unknown.",
		Sources: []string{ugRotation, ugTrouble, templates}, Findings: []string{RuleMaster, RulePossibleMaster, RuleDeclaration},
	},
	{
		ID: "10", Title: "The function policy at the qualifier",
		Says: "Secrets Manager must be allowed to invoke the function at the qualifier that the secret stores, for the secret's account. No aws:SourceAccount is worth a word; a wrong one, or aws:SourceArn of another secret, breaks. " +
			"`\"*\"` and `{\"AWS\": \"*\"}` are the same and reach everybody, services included. Other accounts, other services, foreign accounts in aws:SourceAccount and function URLs are told.",
		Sources:  []string{ldgPolicy, ugRotation, ugTrouble},
		Assumes:  "AddPermission adds its statement beside what PutResourcePolicy wrote.",
		Findings: []string{RuleInvoke, RuleInvokeSource, RuleNoSourceAccount, RulePublicInvoke, RuleForeignInvoke, RuleServiceInvoke, RuleAccountInvoke, RuleFunctionURL, RuleForeignSource},
	},
	{
		ID: "11", Title: "Lambda may assume the role, and nobody else",
		Says:    "The trust policy must let lambda.amazonaws.com assume the execution role; every other principal is excess.",
		Sources: []string{ldgRole}, Assumes: "Lambda's AssumeRole carries the unqualified function's ARN as aws:SourceArn.",
		Findings: []string{RuleTrust, RuleForeignTrust},
	},
	{
		ID: "12", Title: "Logs and traces are allowed, never required",
		Says:    "Without its log a failing rotation does not explain itself; it rotates all the same.",
		Sources: []string{ldgRole}, Findings: []string{RuleLogs},
	},
	{
		ID: "13", Title: "What is not checked, and what is orphaned",
		Says: "Skipped with a reason: secrets that another service owns, that do not rotate, replicas, secrets scheduled for deletion, what the configuration excludes. Rotation without function, owner or external role, and a " +
			"function, version, alias or role that is gone, is orphaned. A function in another account is read if a role is configured for it, else unknown.",
		Sources: []string{"Secrets Manager User Guide, \"Rotate AWS Secrets Manager secrets\"", "Secrets Manager API reference, DescribeSecret and CancelRotateSecret"}, Findings: []string{RuleOrphan},
	},
	{
		ID: "14", Title: "Partition, Region and account come from the ARNs",
		Says:    "Every ARN that is compared or proposed takes them from the secret's and the function's ARN. A function of another Region does not exist for Secrets Manager.",
		Sources: []string{"AWS General Reference, \"Amazon Resource Names\"", "Secrets Manager User Guide, \"Understanding and customizing your Lambda rotation function\""}, Findings: []string{RuleFunctionRegion},
	},
	{
		ID: "15", Title: "Custom rotations",
		Says:    "Required as single-user, with GetRandomPassword left to the function; the operator's allow: statements widen the ceiling.",
		Sources: []string{"Secrets Manager User Guide, \"Lambda function rotation strategies\""},
	},
	{
		ID: "16", Title: "The ceiling is wider than the template",
		Says: "Inside it: the forms of rule 1, an old suffix of the same name, `NAME-*` while no other secret matches; every interface set; logs and X-Ray; the documented uses of the secrets' keys, and any key in the encryption " +
			"context of such a secret; read-only metadata of database services; another function's ARN in AllowRotationLambdaArn; a named secret in another Region. Everything else that the role's policies allow together, " +
			"boundary and Denies counted, is excess, with a witness.",
		Sources:  []string{ugRotation, "Secrets Manager User Guide, \"AWS managed policies for Secrets Manager\""},
		Findings: []string{RuleAdmin, RuleAllSecrets, RuleOtherSecrets, RuleOwnSecret, RuleOtherKeys, RuleEscalation, RuleOtherServices},
	},
	{
		ID: "17", Title: "Roles of managed external secrets",
		Says:    "Secrets Manager itself must be allowed to assume the role, which needs the four actions, by ARN or by secretsmanager:resource/Type, and GetRandomPassword.",
		Sources: []string{ugExternal},
	},
	{
		ID: "18", Title: "The two user permission sets",
		Says: "trigger needs secretsmanager:RotateSecret; lambda:InvokeFunction on the functions belongs to it; without a condition on secretsmanager:RotationLambdaARN its holder may also reconfigure. configure is what " +
			"SecretsManagerReadWrite and IAMFullAccess give. Report only.",
		Sources:  []string{"Secrets Manager User Guide, \"Permissions for rotation\"", "AWS Managed Policy Reference, SecretsManagerReadWrite, IAMFullAccess"},
		Findings: []string{RuleOperatorMissing, RuleOperatorExcess, RuleOperatorRepoint},
	},
}
