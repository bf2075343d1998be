package crd

func tlsAdmissions() map[string]admission {
	const one = "exactly one source of trust: secretRef, files, wellKnownCACertificates or insecureSkipVerify"
	tests := map[string]admission{
		"Secret":                {spec: "tls: {secretRef: {name: ca}, sni: example.com}"},
		"system":                {spec: "tls: {wellKnownCACertificates: System, sni: httpbin.org}"},
		"files":                 {spec: "tls: {files: {rootCA: /ca.crt, tlsCertificate: /tls.crt, tlsKey: /tls.key}}"},
		"a CA file alone":       {spec: "tls: {files: {rootCA: /ca.crt}}"},
		"insecure":              {spec: "tls: {insecureSkipVerify: true}"},
		"everything":            {spec: tlsOfEverything},
		"parameters left empty": {spec: "tls: {wellKnownCACertificates: System, parameters: {}}"},

		"no trust":                {spec: "tls: {sni: example.com}", want: []string{"spec.tls", one}},
		"nothing":                 {spec: "tls: {}", want: []string{one}},
		"insecure false":          {spec: "tls: {insecureSkipVerify: false}", want: []string{"spec.tls.insecureSkipVerify", "chooses no trust"}},
		"insecure false with sni": {spec: "tls: {insecureSkipVerify: false, sni: example.com}", want: []string{"chooses no trust"}},
		"insecure false and more": {spec: "tls: {insecureSkipVerify: false, secretRef: {name: a}}", want: []string{one, "chooses no trust"}},
		"Secret and system":       {spec: "tls: {secretRef: {name: a}, wellKnownCACertificates: System}", want: []string{one}},
		"Secret and files":        {spec: "tls: {secretRef: {name: a}, files: {rootCA: /a}}", want: []string{one}},
		"Secret and insecure":     {spec: "tls: {secretRef: {name: a}, insecureSkipVerify: true}", want: []string{one}},
		"files and system":        {spec: "tls: {files: {rootCA: /a}, wellKnownCACertificates: System}", want: []string{one}},
		"all of them":             {spec: "tls: {files: {rootCA: /a}, wellKnownCACertificates: System, insecureSkipVerify: true, secretRef: {name: a}}", want: []string{one}},
		"another bundle":          {spec: "tls: {wellKnownCACertificates: Mozilla}", want: []string{"spec.tls.wellKnownCACertificates", `"System"`}},
		"no files":                {spec: "tls: {files: {}}", want: []string{"spec.tls.files", "tlsCertificate tlsKey rootCA"}},
		"an empty sni":            {spec: "tls: {wellKnownCACertificates: System, sni: ''}", want: []string{"spec.tls.sni", "at least 1 chars"}},

		"tlsFiles":             {spec: "tls: {tlsFiles: {rootCA: /a}}", want: []string{"tlsFiles was renamed: use files"}},
		"oneWayTLS":            {spec: "tls: {secretRef: {name: a}, oneWayTLS: true}", want: []string{"oneWayTLS was renamed: use simpleTLS"}},
		"verifySubjectAltName": {spec: "tls: {secretRef: {name: a}, verifySubjectAltName: [a]}", want: []string{"renamed: use verifySubjectAltNames"}},
		"tlsMinVersion":        {spec: "tls: {secretRef: {name: a}, parameters: {tlsMinVersion: '1.2'}}", want: []string{"renamed: use minVersion"}},
		"tlsMaxVersion":        {spec: "tls: {secretRef: {name: a}, parameters: {tlsMaxVersion: '1.2'}}", want: []string{"renamed: use maxVersion"}},
	}
	for _, file := range []string{"rootCA", "tlsCertificate", "tlsKey"} {
		tests["empty "+file] = admission{spec: "tls: {files: {" + file + ": ''}}", want: []string{"spec.tls.files." + file, "at least 1 chars"}}
		tests[file+" alone"] = admission{spec: "tls: {files: {" + file + ": /a}}"}
	}
	for _, field := range []string{"minVersion", "maxVersion"} {
		for _, version := range []string{"AUTO", "'1.0'", "'1.1'", "'1.2'", "'1.3'"} {
			tests[field+" "+version] = admission{spec: "tls: {wellKnownCACertificates: System, parameters: {" + field + ": " + version + "}}"}
		}
		for _, version := range []string{"1.2", "'1.4'", "TLSv1_2", "auto"} {
			tests[field+" "+version] = admission{
				spec: "tls: {wellKnownCACertificates: System, parameters: {" + field + ": " + version + "}}",
				want: []string{"spec.tls.parameters." + field},
			}
		}
	}
	return tests
}

const tlsOfEverything = `
tls:
  secretRef: {name: ca}
  sni: example.com
  verifySubjectAltNames: [example.com, www.example.com]
  parameters:
    minVersion: "1.2"
    maxVersion: "1.3"
    cipherSuites: [ECDHE-ECDSA-AES128-GCM-SHA256]
    ecdhCurves: [X25519]
    signatureAlgorithms: [ecdsa_secp256r1_sha256]
  alpnProtocols: [h2, http/1.1]
  allowRenegotiation: true
  simpleTLS: true
`
