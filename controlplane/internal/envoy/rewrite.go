package envoy

import (
	"errors"
	"regexp"
	"strings"

	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// pathRewrite has one of both set.
type pathRewrite struct {
	prefix string
	regex  *matcherv3.RegexMatchAndSubstitute
}

// rewritePath replaces what the match has matched. The query is kept.
func rewritePath(match ir.Match, rewrite ir.PathRewrite) (pathRewrite, error) {
	if !rewrite.IsPrefix {
		return pathRewrite{regex: substitute(`^/.*$`, rewrite.Full)}, nil
	}
	if match.PathType != ir.Prefix {
		return pathRewrite{}, errors.New("a rewrite of the prefix needs a match of a prefix")
	}
	from, to := trimmedPrefix(match.Path), trimmedPrefix(rewrite.Prefix)
	switch {
	case from == "":
		// What follows "/" has no slash of its own.
		return pathRewrite{prefix: to + "/"}, nil
	case to == "":
		// Envoy's prefix_rewrite would make "//x" of "/prefix/x".
		return pathRewrite{regex: substitute("^"+regexp.QuoteMeta(from)+"/*", "/")}, nil
	default:
		return pathRewrite{prefix: to}, nil
	}
}

func substitute(pattern, substitution string) *matcherv3.RegexMatchAndSubstitute {
	return &matcherv3.RegexMatchAndSubstitute{
		Pattern: &matcherv3.RegexMatcher{Regex: pattern},
		// A backslash would refer to a group.
		Substitution: strings.ReplaceAll(substitution, `\`, `\\`),
	}
}
