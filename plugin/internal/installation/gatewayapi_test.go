package installation

import (
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/gateway-api/pkg/consts"
)

type definitionSet map[string]*apiextensionsv1.CustomResourceDefinition

// gatewayAPISet is the Gateway API of a cluster.
func gatewayAPISet(t *testing.T, own bool, version, channel string) definitionSet {
	t.Helper()
	all, err := definitions(channel)
	if err != nil {
		t.Fatal(err)
	}
	set := definitionSet{}
	for _, d := range all {
		if d.Annotations[consts.ChannelAnnotation] == "" {
			continue
		}
		d.Annotations[consts.BundleVersionAnnotation] = version
		if !own {
			d.Labels = nil
		}
		set[d.Name] = d
	}
	return set
}

func (s definitionSet) without(names ...string) definitionSet {
	for _, name := range names {
		delete(s, name+".gateway.networking.k8s.io")
	}
	return s
}

func (s definitionSet) foreign(name string) definitionSet {
	s[name+".gateway.networking.k8s.io"].Labels = nil
	return s
}

// TestGatewayAPI: what is another's or newer is left alone, and what is there
// is never taken away.
func TestGatewayAPI(t *testing.T) {
	t.Parallel()
	const std, exp, none = ChannelStandard, ChannelExperimental, ChannelNone
	const now, newer, older = consts.BundleVersion, "v1.99.0", "v1.4.0"
	grants := gatewayAPISet(t, false, older, std)
	grants["referencegrants.gateway.networking.k8s.io"].Spec.Versions = []apiextensionsv1.CustomResourceDefinitionVersion{{Name: "v1beta1", Served: true}}
	for name, c := range map[string]struct {
		have    definitionSet
		guarded bool
		asked   string
		// want is the channel; in and fix are parts of the obstacle.
		want, note, in, fix string
	}{
		"nothing there":                {want: std},
		"nothing there, experimental":  {asked: exp, want: exp},
		"nothing there, none":          {asked: none, in: "no Gateway API", fix: "leave out --gateway-api"},
		"ours again":                   {have: gatewayAPISet(t, true, now, std), want: std},
		"ours, interrupted":            {have: gatewayAPISet(t, true, now, std).without("httproutes", "gateways"), want: std},
		"ours, older":                  {have: gatewayAPISet(t, true, older, std), want: std},
		"ours, a pre-release":          {have: gatewayAPISet(t, true, now+"-rc.1", std), want: std},
		"ours, experimental stays":     {have: gatewayAPISet(t, true, older, exp), want: exp},
		"ours, experimental over it":   {have: gatewayAPISet(t, true, now, std), asked: exp, want: exp},
		"ours, guarded":                {have: gatewayAPISet(t, true, now, std), asked: exp, guarded: true, in: safeUpgrades, fix: "kubectl delete"},
		"ours, not back to standard":   {have: gatewayAPISet(t, true, now, exp), asked: std, in: "take kinds and fields away", fix: "leave out"},
		"ours, newer":                  {have: gatewayAPISet(t, true, newer, std), want: none, note: "v1.99.0 (standard) is newer than " + now},
		"ours, newer experimental":     {have: gatewayAPISet(t, true, newer, exp), want: none, note: "experimental"},
		"ours, newer, no experimental": {have: gatewayAPISet(t, true, newer, std), asked: exp, in: "newer", fix: "leave out"},
		"ours, newer, incomplete":      {have: gatewayAPISet(t, true, newer, std).without("backendtlspolicies"), in: "backendtlspolicies", fix: "newer kubectl-tlsgw"},
		"ours, none":                   {have: gatewayAPISet(t, true, now, std), asked: none, want: none},
		"another's":                    {have: gatewayAPISet(t, false, now, std), want: none, note: "not ours"},
		"another's, standard":          {have: gatewayAPISet(t, false, older, std), asked: std, want: none, note: "v1.4.0"},
		"another's, old grants":        {have: grants, want: none, note: "not ours"},
		"another's, newer":             {have: gatewayAPISet(t, false, newer, exp), asked: exp, want: none, note: "experimental"},
		"another's, not experimental":  {have: gatewayAPISet(t, false, now, std), asked: exp, in: "not ours to change", fix: "experimental-install.yaml"},
		"another's, too old":           {have: gatewayAPISet(t, false, "v1.2.0", std).without("backendtlspolicies"), in: "v1.2.0 (standard) is not ours to change", fix: "/" + now + "/standard-install.yaml"},
		"another's, too old, exp":      {have: gatewayAPISet(t, false, "v1.2.0", exp).without("backendtlspolicies"), in: "v1.2.0", fix: "experimental-install.yaml"},
		"one of another's":             {have: gatewayAPISet(t, true, now, std).foreign("gateways"), want: none, note: "not ours"},
	} {
		channel, note, in := gatewayAPIOf(c.have, c.guarded).decide(c.asked)
		if in == nil {
			in = &obstacle{}
		}
		if (in.message == "") != (c.in == "") || !strings.Contains(in.message, c.in) || !strings.Contains(in.fix, c.fix) {
			t.Errorf("%s: obstacle %+v, want %q and %q", name, *in, c.in, c.fix)
		}
		if c.in == "" && channel != c.want {
			t.Errorf("%s: channel %q, want %q", name, channel, c.want)
		}
		if (note == "") != (c.note == "") && c.in == "" || c.in == "" && !strings.Contains(note, c.note) {
			t.Errorf("%s: note %q, want %q", name, note, c.note)
		}
	}
}

func TestLacking(t *testing.T) {
	t.Parallel()
	all, err := definitions(ChannelNone)
	if err != nil {
		t.Fatal(err)
	}
	const group = ".gateway.kgateway.dev"
	for name, c := range map[string]struct {
		kind   string
		change func(*apiextensionsv1.CustomResourceDefinition)
		want   []string
	}{
		"our own":            {kind: "backendconfigpolicies", change: func(*apiextensionsv1.CustomResourceDefinition) {}},
		"another version":    {kind: "backends", change: func(d *apiextensionsv1.CustomResourceDefinition) { d.Spec.Versions[0].Name = "v2" }, want: []string{"version v1alpha1"}},
		"not served":         {kind: "backends", change: func(d *apiextensionsv1.CustomResourceDefinition) { d.Spec.Versions[0].Served = false }, want: []string{"version v1alpha1"}},
		"without a schema":   {kind: "backends", change: func(d *apiextensionsv1.CustomResourceDefinition) { d.Spec.Versions[0].Schema = nil }, want: []string{"a schema"}},
		"without parameters": {kind: "gatewayparameters", change: dropField("kube"), want: []string{"spec.kube.deployment", "spec.kube.service"}},
		"any field":          {kind: "gatewayparameters", change: anyField, want: nil},
		"without TLS": {kind: "backendconfigpolicies", change: dropField("tls"),
			want: []string{"spec.tls.secretRef.name", "spec.tls.sni", "spec.tls.wellKnownCACertificates"}},
	} {
		i := slices.IndexFunc(all, func(d *apiextensionsv1.CustomResourceDefinition) bool { return d.Name == c.kind+group })
		changed := all[i].DeepCopy()
		c.change(changed)
		if got := lacking(changed); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

func spec(d *apiextensionsv1.CustomResourceDefinition) apiextensionsv1.JSONSchemaProps {
	return d.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"]
}

func dropField(name string) func(*apiextensionsv1.CustomResourceDefinition) {
	return func(d *apiextensionsv1.CustomResourceDefinition) { delete(spec(d).Properties, name) }
}

func anyField(d *apiextensionsv1.CustomResourceDefinition) {
	open, s := true, spec(d)
	s.Properties, s.XPreserveUnknownFields = nil, &open
	d.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"] = s
}

// TestRefuse: all that is wrong is in one error.
func TestRefuse(t *testing.T) {
	t.Parallel()
	if err := refuse("it", nil); err != nil {
		t.Errorf("no obstacle: %v", err)
	}
	one := refuse("it", []obstacle{{message: "a", details: []string{"b"}, fix: "c"}})
	if text := errorText(one); text != "a\n  b\n  fix: c\nnothing was changed\n" {
		t.Errorf("one obstacle: %q", text)
	}
	two := refuse("it", []obstacle{{message: "a", details: []string{"b"}, fix: "c"}, {message: "d", fix: "c"}, {message: "e", fix: "f"}})
	want := "3 things stand in the way of it\n  - a\n    b\n    fix: c\n  - d\n  - e\n    fix: f\nnothing was changed\n"
	if text := errorText(two); text != want {
		t.Errorf("three obstacles: %q", text)
	}
}

func TestWrapped(t *testing.T) {
	t.Parallel()
	words := slices.Repeat([]string{strings.Repeat("w", 28)}, 5)
	got := wrapped("no: ", words)
	if len(got) != 2 || !strings.HasPrefix(got[0], "no: www") || !strings.HasPrefix(got[1], "    www") || strings.Count(strings.Join(got, ""), ",") != 4 {
		t.Errorf("got %q", got)
	}
	for _, line := range got {
		if len(line) > 96 {
			t.Errorf("a line of %d characters", len(line))
		}
	}
}
