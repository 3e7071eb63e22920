package rotation

import "regexp"

// barePrincipal finds a Principal that is a bare account id or ARN. A quote inside a JSON string is escaped, so this matches members
// only, never text.
var barePrincipal = regexp.MustCompile(`"Principal"(\s*:\s*)"([0-9]{12}|arn:[^"\\]+)"`)

// accountPrincipals gives such principals the form of the grammar. AddPermission takes a bare account id or ARN as its
// Principal; Lambda stores it as {"AWS": …}, but the moto server stores what it was given.
func accountPrincipals(text string) string {
	return barePrincipal.ReplaceAllString(text, `"Principal"$1{"AWS":"$2"}`)
}
