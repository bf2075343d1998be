package diagnose

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/shell"
)

// originate is the command that writes the policy anew with some flags
// changed. It gives all others too: what originate is not told, it takes away.
func (e *Evidence) originate(changes ...Flag) string {
	command := "kubectl tlsgw originate " + e.originated()
	for _, flag := range e.changed(changes) {
		command += " --" + flag.Name
		if flag.Value != "" {
			command += " " + shell.Quote(flag.Value)
		}
	}
	return command
}

// changed are the policy's flags with each change in the place of what it
// replaces, else at the end.
func (e *Evidence) changed(changes []Flag) []Flag {
	var flags []Flag
	rest := slices.Clone(changes)
	if e.Policy == nil {
		return rest
	}
	for _, flag := range e.Policy.Flags {
		replaces := func(change Flag) bool { return change.replaces(flag) }
		if !slices.ContainsFunc(changes, replaces) {
			flags = append(flags, flag)
			continue
		}
		for i := slices.IndexFunc(rest, replaces); i >= 0; i = slices.IndexFunc(rest, replaces) {
			flags, rest = append(flags, rest[i]), slices.Delete(rest, i, i+1)
		}
	}
	return append(flags, rest...)
}

// replaces: all values of the same flag; and one source of trust all others,
// of which the Secret with the client certificate is one too.
func (f Flag) replaces(other Flag) bool {
	trusts := func(flag Flag) bool {
		return slices.Contains([]string{"ca-from", "system-ca", "insecure-skip-verify", "client-cert"}, flag.Name)
	}
	return f.Name == other.Name || trusts(f) && trusts(other)
}

// originated are the words that name the target to originate.
func (e *Evidence) originated() string {
	words := e.targetArgs()
	if e.Target.PortFlag != "" {
		words += " --port " + e.Target.PortFlag
	}
	return words
}

// discover is the command without any trust, which originate then looks for.
func (e *Evidence) discover() string {
	found := *e
	if e.Policy != nil {
		policy := *e.Policy
		policy.Flags = slices.DeleteFunc(slices.Clone(policy.Flags), Flag{Name: "ca-from"}.replaces)
		found.Policy = &policy
	}
	return found.originate()
}

// trustHint: a client certificate comes with its CA in one Secret, so that
// another CA has to get in there.
func (e *Evidence) trustHint() string {
	if e.Policy != nil {
		for _, flag := range e.Policy.Flags {
			if flag.Name == "client-cert" {
				return e.kubectl("edit %s    # its ca.crt must hold a CA that verifies the backend", flag.Value)
			}
		}
	}
	return e.originate(Flag{"ca-from", "backend"}) + "    # shows the chain the backend presents, and asks"
}

// expose are the flags of a route.
func (e *Evidence) expose() []Flag {
	flags := []Flag{{"expose", cmp.Or(e.Identity.SNI, "HOSTNAME")}}
	if e.Through != "" {
		flags = append(flags, Flag{"gateway", e.Through})
	}
	return flags
}

// identityFlag is the flag that says whom the certificate must be for.
func (e *Evidence) identityFlag() string {
	if strings.HasSuffix(strings.ToLower(e.Identity.Field), "subjectaltnames") {
		return "san"
	}
	return "sni"
}
