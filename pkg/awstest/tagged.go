package awstest

import (
	"slices"
	"strconv"
)

// maxTaggedPage is the most that GetResources gives at once. Source: Resource Groups Tagging API reference, GetResources.
const maxTaggedPage = 100

func taggedOperations() []*operation {
	return []*operation{{service: "tag", name: "GetResources", run: getResources}}
}

type taggedInput struct {
	PaginationToken     string
	ResourcesPerPage    *int
	ResourceTypeFilters []string
	ResourceARNList     []string
	TagFilters          []struct{ Key string }
}

type taggedResource struct {
	ResourceARN string
	Tags        []Tag
}

// getResources answers with the functions of the Region that have tags. Other types of resources, filters by tags and lists of ARNs are not
// served.
func getResources(x *exchange) (any, error) {
	in, err := decode[taggedInput](x)
	if err != nil {
		return nil, err
	}
	if len(in.TagFilters)+len(in.ResourceARNList) > 0 || !slices.Equal(in.ResourceTypeFilters, []string{"lambda:function"}) {
		return nil, bad("InvalidParameterException", "only functions are served here, and all of them")
	}
	page := maxTaggedPage / 2
	if in.ResourcesPerPage != nil {
		page = *in.ResourcesPerPage
	}
	if page < 1 || page > maxTaggedPage {
		return nil, bad("InvalidParameterException", "ResourcesPerPage must be from 1 to %d", maxTaggedPage)
	}
	at := 0
	if in.PaginationToken != "" {
		if at, err = strconv.Atoi(in.PaginationToken); err != nil || at < 0 {
			return nil, bad("PaginationTokenExpiredException", "the token is not one of this list")
		}
	}
	out := struct {
		PaginationToken        string
		ResourceTagMappingList []taggedResource
	}{ResourceTagMappingList: []taggedResource{}}
	for i, name := range x.reg.functions.names {
		if i < at || len(x.reg.functions.cells[name].fn.Tags) == 0 {
			continue
		}
		if len(out.ResourceTagMappingList) == page {
			out.PaginationToken = strconv.Itoa(i)
			break
		}
		r := taggedResource{ResourceARN: x.acct.functionARN(x.reg, name, "")}
		for key, value := range sorted(x.reg.functions.cells[name].fn.Tags) {
			r.Tags = append(r.Tags, Tag{Key: key, Value: value})
		}
		out.ResourceTagMappingList = append(out.ResourceTagMappingList, r)
	}
	return out, nil
}
