#!/usr/bin/env bash
# Says everything that is missing for a deployment, each with how to get it, and ends with 1 if anything is.
set -euo pipefail

missing=0
lacks() {
	echo "missing: $*" >&2
	missing=1
}

command -v go >/dev/null || lacks "go: install Go 1.26 or newer"
if ! command -v node >/dev/null; then
	lacks "node: install Node.js 20 or newer (the CDK runs on it)"
elif [ "$(node --print 'process.versions.node.split(".")[0]')" -lt 20 ]; then
	lacks "node 20: this is $(node --version)"
fi
command -v npm >/dev/null || lacks "npm: it comes with Node.js"

aws=${AWS_CONFIG_FILE:-$HOME/.aws/config}
credentials=${AWS_SHARED_CREDENTIALS_FILE:-$HOME/.aws/credentials}
if [ -z "${AWS_ACCESS_KEY_ID:-}${AWS_PROFILE:-}${AWS_WEB_IDENTITY_TOKEN_FILE:-}${AWS_CONTAINER_CREDENTIALS_RELATIVE_URI:-}${AWS_CONTAINER_CREDENTIALS_FULL_URI:-}" ] &&
	[ ! -s "$aws" ] && [ ! -s "$credentials" ]; then
	lacks "AWS credentials: set AWS_PROFILE, or run 'aws configure'"
fi
if [ -z "${AWS_REGION:-}${AWS_DEFAULT_REGION:-}" ] && ! grep -qs '^[[:space:]]*region[[:space:]]*=' "$aws"; then
	lacks "a Region: set AWS_REGION"
fi

# The CDK's bootstrap leaves its version as a parameter (CDK Developer Guide, "Customize CDK bootstrapping"). IAM's events are forwarded from their home
# Region, where a second stack is made.
if [ "$missing" -eq 0 ] && command -v aws >/dev/null; then
	region=${AWS_REGION:-${AWS_DEFAULT_REGION:-$(aws configure get region || true)}}
	case $region in
	cn-*) home=cn-north-1 ;;
	us-gov-*) home=us-gov-west-1 ;;
	*) home=us-east-1 ;;
	esac
	if ! account=$(aws sts get-caller-identity --query Account --output text --region "$region" 2>&1); then
		lacks "AWS credentials that work: $(tail -n 1 <<<"$account")"
	else
		for place in $(printf '%s\n' "$region" "$home" | sort -u); do
			if ! answer=$(aws ssm get-parameter --name "/cdk-bootstrap/${QUALIFIER:-hnb659fds}/version" --region "$place" 2>&1); then
				case $answer in
				*ParameterNotFound*) lacks "the CDK's bootstrap in $place: infra/node_modules/.bin/cdk bootstrap aws://$account/$place" ;;
				*) echo "not known whether the CDK is bootstrapped in $place: $(tail -n 1 <<<"$answer")" >&2 ;;
				esac
			fi
		done
	fi
fi
exit "$missing"
