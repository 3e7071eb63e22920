// Package config holds the settings that an operator can make, read once and validated.
//
// One rotationguard.yaml serves the command, the Lambda function and the CDK app. An unknown field, a value of the wrong type
// or one that could not mean anything is an error that names file, line, column and field and says what to write instead; all of them are
// found in one reading. What a file leaves out has the default that Default gives. rotationguard.schema.json describes the
// same file for editors.
//
// The package knows nothing of accounts, secrets or policies: what a value means is said by the package that takes it.
package config
