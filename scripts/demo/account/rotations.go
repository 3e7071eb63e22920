package account

// inSync are rotations with which nothing is wrong, in the forms that real accounts have.
func inSync() []Rotation {
	return []Rotation{
		{
			Function: "rotate-orders", Story: "the documented template",
			Secrets: []Secret{{Name: "prod/orders/db", Before: InSync, After: InSync}},
		},
		{
			Function: "rotate-billing", Story: "the CDK's two policies on the secret's full ARN, no SourceAccount",
			Grants:  []Grant{{Sid: "InvokeSecretsManager", Principal: "secretsmanager.amazonaws.com"}},
			Role:    Role{Inline: map[string]string{"DefaultPolicy": document(secrets(four, "{secret:prod/billing/db}")), "inlinePolicyAddedToExecutionRole0": document(random)}},
			Secrets: []Secret{{Name: "prod/billing/db", Before: InSync, After: InSync}},
		},
		{
			Function: "rotate-crm", Story: "a customer managed policy on NAME-??????",
			Role:    Role{Inline: map[string]string{}, Customer: map[string]string{"rotate-crm": document(secrets(four, "{secret:prod/crm/db:name}-??????"), random)}},
			Secrets: []Secret{{Name: "prod/crm/db", Before: InSync, After: InSync}},
		},
		{
			Function: "SecretsManagerRDSMySQLRotation", Story: "the Serverless Application Repository's numbered policies, in a VPC", VPC: true,
			Role: Role{
				Inline: map[string]string{
					"SecretsManagerRDSMySQLRotationSingleUserRolePolicy0": old(interfaces),
					"SecretsManagerRDSMySQLRotationSingleUserRolePolicy1": old(secrets(four, "arn:aws:secretsmanager:{region}:{account}:secret:*", allowed("{function}")...), random),
				},
				Managed: []string{"AWSLambdaBasicExecutionRole", "AWSLambdaVPCAccessExecutionRole"},
			},
			Secrets: []Secret{{Name: "prod/wordpress/db", Before: InSync, After: InSync}, {Name: "prod/shop/db", Before: InSync, After: InSync}},
		},
		{
			Function: "rotate-payments", Story: "in a VPC, with AWS's managed policy for it", VPC: true,
			Role:    Role{Managed: []string{"AWSLambdaVPCAccessExecutionRole"}},
			Secrets: []Secret{{Name: "prod/payments/db", Before: InSync, After: InSync}},
		},
		{
			Function: "rotate-ledger", Story: "a customer key, granted by the key policy alone",
			Secrets: []Secret{{Name: "prod/ledger/db", Key: "by-key-policy", Before: InSync, After: InSync}},
		},
		{
			Function: "rotate-tokens", Story: "a customer key, granted by the role",
			Role:    Role{Inline: inline(template(viaSecretsManager([]string{"kms:Decrypt", "kms:GenerateDataKey"}, "{key:delegating}")))},
			Secrets: []Secret{{Name: "prod/tokens/db", Key: "delegating", Before: InSync, After: InSync}},
		},
		{
			Function: "rotate-reports", Story: "master-user, declared by a tag",
			Role: Role{Inline: inline(template(secrets([]string{"GetSecretValue"}, "{secret:demo/postgres/master}")))},
			Secrets: []Secret{{
				Name: "prod/reports/db", Before: InSync, After: InSync,
				Tags: map[string]string{"rotationguard:strategy": "master-user", "rotationguard:master-secret": "{secret:demo/postgres/master}"},
			}},
		},
		{
			Function: "rotate-analytics", Story: "master-user, named by the parameters of its stack",
			Stack:   map[string]string{"superuserSecretArn": "{secret:demo/mysql/master}", "functionName": "rotate-analytics", "excludeCharacters": "/@"},
			Role:    Role{Inline: inline(template(secrets([]string{"GetSecretValue"}, "{secret:demo/mysql/master}")))},
			Secrets: []Secret{{Name: "prod/analytics/db", Before: InSync, After: InSync}},
		},
		{
			Function: "rotate-hr", Story: "master-user, declared in the configuration",
			Role:    Role{Inline: inline(template(secrets([]string{"GetSecretValue"}, "{secret:demo/postgres/master}")))},
			Secrets: []Secret{{Name: "prod/hr/db", Before: InSync, After: InSync}},
		},
		{
			Function: "rotate-catalog", Story: "named at an alias, granted at the alias", Alias: "live",
			Secrets: []Secret{{Name: "prod/catalog/db", Before: InSync, After: InSync}},
		},
		{
			Function: "rotate-shared", Story: "one function for three secrets",
			Secrets: []Secret{
				{Name: "prod/team-a/db", Before: InSync, After: InSync}, {Name: "prod/team-b/db", Before: InSync, After: InSync},
				{Name: "prod/team-c/db", Before: InSync, After: InSync},
			},
		},
	}
}

// mendable are rotations that repair mends.
func mendable() []Rotation {
	return []Rotation{
		{
			Function: "rotate-shipping", Story: "UpdateSecretVersionStage was forgotten",
			Role:    Role{Inline: inline(document(secrets(four[:3], "*", allowed("{function}")...), random))},
			Secrets: []Secret{{Name: "prod/shipping/db", Before: Broken, After: InSync}},
		},
		{
			Function: "rotate-carts", Story: "GetRandomPassword sits inside the conditioned statement, where it is not granted",
			Role:    Role{Inline: inline(document(secrets(append([]string{"GetRandomPassword"}, four...), "*", allowed("{function}")...)))},
			Secrets: []Secret{{Name: "prod/carts/db", Before: Broken, After: InSync}},
		},
		{
			Function: "rotate-mail", Story: "aws:SourceAccount in the role: a form AWS once printed, which cannot work",
			Role:    Role{Inline: inline(document(secrets(four, "*", append(allowed("{function}"), "StringLike", "aws:SourceAccount", "{account}")...), random))},
			Secrets: []Secret{{Name: "prod/mail/db", Every: 1, Before: Broken, After: InSync}},
		},
		{
			Function: "rotate-search", Story: "the role names the bare function, the secret stores the alias", Alias: "live",
			Role:    Role{Inline: inline(document(secrets(four, "*", allowed("arn:aws:lambda:{region}:{account}:function:rotate-search")...), random))},
			Secrets: []Secret{{Name: "prod/search/db", Before: Broken, After: InSync}},
		},
		{
			Function: "rotate-images", Story: "the permission is on the bare function, the secret stores the alias", Alias: "live",
			Grants:  []Grant{{Sid: "SecretsManager", Principal: "secretsmanager.amazonaws.com", SourceAccount: "{account}", Unqualified: true}},
			Secrets: []Secret{{Name: "prod/images/db", Before: Broken, After: InSync}},
		},
		{
			Function: "rotate-wallet", Story: "a scanner's fixer replaced the function policy by one bare-account statement",
			Grants:  []Grant{{Sid: "ProwlerRemediation", Principal: "{account}"}},
			Secrets: []Secret{{Name: "prod/wallet/db", Every: 2, Before: Broken, After: InSync}},
		},
		{
			Function: "rotate-sessions", Story: "the function was re-created, its invoke grant is gone", Ungrant: true,
			Secrets: []Secret{{Name: "prod/sessions/db", Every: 3, Before: Broken, After: InSync}},
		},
		{
			Function: "rotate-loyalty", Story: "the permission's SourceArn names one of two secrets",
			Grants: []Grant{{Sid: "SecretsManager", Principal: "secretsmanager.amazonaws.com", SourceSecret: "prod/loyalty/points"}},
			Secrets: []Secret{
				{Name: "prod/loyalty/points", Before: InSync, After: InSync}, {Name: "prod/loyalty/coupons", Before: Broken, After: InSync},
			},
		},
		{
			Function: "rotate-fraud", Story: "a customer key that neither role nor key policy grants",
			Secrets: []Secret{{Name: "prod/fraud/db", Key: "delegating", Before: Broken, After: InSync}},
		},
		{
			Function: "rotate-quotes", Story: "master-user by its stack, and the master was never granted",
			Stack:   map[string]string{"masterSecretArn": "{secret:demo/mysql/master}", "functionName": "rotate-quotes"},
			Secrets: []Secret{{Name: "prod/quotes/db", Before: Broken, After: InSync}},
		},
		{
			Function: "rotate-geo", Story: "master-user by its stack, granted by an ARN without its six characters",
			Stack:   map[string]string{"superuserSecretArn": "{secret:demo/postgres/master}", "functionName": "rotate-geo"},
			Role:    Role{Inline: inline(template(secrets([]string{"GetSecretValue"}, "{secret:demo/postgres/master:name}")))},
			Secrets: []Secret{{Name: "prod/geo/db", Before: Broken, After: InSync}},
		},
		{
			Function: "rotate-stock", Story: "in a VPC without the rights for its network interfaces", VPC: true,
			Secrets: []Secret{{Name: "prod/stock/db", Before: Drifted, After: InSync}},
		},
		{
			Function: "rotate-public", Story: "anyone may invoke it",
			Grants:  []Grant{{Sid: "Everyone", Principal: "*"}},
			Secrets: []Secret{{Name: "prod/public/db", Before: Drifted, After: InSync}},
		},
	}
}

// forPeople are rotations that mode repair leaves as they are: somebody must decide, or mode enforce may.
func forPeople() []Rotation {
	return []Rotation{
		{
			Function: "rotate-admin", Story: "secretsmanager:* on every secret",
			Role:    Role{Inline: inline(document(allow([]string{"secretsmanager:*"}, "*")))},
			Secrets: []Secret{{Name: "prod/admin/db", Before: Drifted, After: Drifted}},
		},
		{
			Function: "rotate-wide", Story: "the four actions on every secret, without a condition",
			Role:    Role{Inline: inline(document(secrets(four, "arn:aws:secretsmanager:{region}:{account}:secret:*"), random))},
			Secrets: []Secret{{Name: "prod/wide/db", Before: Drifted, After: Drifted}},
		},
		{
			Function: "rotate-partner", Story: "another account may assume the role",
			Role: Role{Trust: document(
				`{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}`,
				`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::999999999999:root"},"Action":"sts:AssumeRole"}`)},
			Secrets: []Secret{{Name: "prod/partner/db", Before: Drifted, After: Drifted}},
		},
		{
			Function: "rotate-vault", Story: "the secret's policy denies all but a role that was renamed",
			Secrets: []Secret{{
				Name: "prod/vault/db", Before: Broken, After: Broken,
				Policy: document(`{"Sid":"OnlyTheRotation","Effect":"Deny","Principal":"*","Action":"secretsmanager:GetSecretValue","Resource":"*",` +
					`"Condition":{"ArnNotEquals":{"aws:PrincipalArn":["arn:aws:iam::{account}:role/rotate-vault-old","arn:aws:iam::{account}:role/admin"]}}}`),
			}},
		},
		{
			Function: "rotate-payroll", Story: "the permissions boundary leaves out PutSecretValue",
			Role:    Role{Boundary: document(allow([]string{"secretsmanager:Describe*", "secretsmanager:Get*", "secretsmanager:UpdateSecretVersionStage", "logs:*"}, "*"))},
			Secrets: []Secret{{Name: "prod/payroll/db", Before: Broken, After: Broken}},
		},
		{
			Function: "rotate-archive", Story: "the key policy does not let the account's policies count",
			Role:    Role{Inline: inline(template(viaSecretsManager([]string{"kms:Decrypt", "kms:GenerateDataKey"}, "{key:closed}")))},
			Secrets: []Secret{{Name: "prod/archive/db", Key: "closed", Before: Broken, After: Broken}},
		},
		{
			Function: "rotate-retired", Story: "the function was deleted", Gone: FunctionGone,
			Secrets: []Secret{{Name: "prod/retired/db", Before: Orphaned, After: Orphaned}},
		},
		{
			Function: "rotate-norole", Story: "the execution role was deleted", Gone: RoleGone,
			Secrets: []Secret{{Name: "prod/norole/db", Before: Orphaned, After: Orphaned}},
		},
		{
			Function: "rotate-failed", Story: "the function's update failed for want of interface rights", VPC: true, Held: NotInMoto,
			State:   State{"Failed", "InsufficientRolePermissions"},
			Secrets: []Secret{{Name: "prod/failed/db", Before: Broken, After: Broken}},
		},
	}
}

// notChecked are secrets that no function of ours rotates.
func notChecked() []Rotation {
	return []Rotation{
		{Story: "the database service rotates it", Secrets: []Secret{{Name: "rds!db-1a2b3c4d", Owner: "rds", Before: Skipped, After: Skipped}}},
		{Story: "rotation is not set up", Secrets: []Secret{{Name: "prod/api-key", Off: true, Before: Skipped, After: Skipped}}},
		{Story: "a replica of a secret in another Region", Secrets: []Secret{{Name: "prod/global/db", Replica: true, Before: Skipped, After: Skipped}}},
		{Story: "scheduled for deletion", Secrets: []Secret{{Name: "prod/old/db", Off: true, Deleting: true, Before: Skipped, After: Skipped}}},
		{
			Function: "rotate-legacy", Story: "excluded by the configuration",
			Secrets: []Secret{{Name: "legacy/app/db", Tags: map[string]string{"rotation": "legacy"}, Before: Skipped, After: Skipped}},
		},
		{
			Story: "a partner's secret that Secrets Manager rotates itself", Held: NotInMoto,
			Role: Role{
				Name: "rotate-partner-secret", Trust: document(`{"Effect":"Allow","Principal":{"Service":"secretsmanager.amazonaws.com"},"Action":"sts:AssumeRole"}`),
				Inline: inline(document(secrets(four, "*", "StringEquals", "secretsmanager:resource/Type", "ExampleClientSecret"), random)),
			},
			Secrets: []Secret{{Name: "prod/partner/client", Type: "ExampleClientSecret", External: "rotate-partner-secret", Before: InSync, After: InSync}},
		},
	}
}
