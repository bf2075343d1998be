package crd

func backendAdmissions() map[string]admission {
	hosts := "static: {hosts: [{host: example.com, port: 443}]}\n"
	return map[string]admission{
		"static":                  {spec: "type: Static\n" + hosts},
		"static without its type": {spec: hosts},
		"addresses and names":     {spec: "static: {hosts: [{host: 192.0.2.1, port: 1}, {host: '2001:db8::1', port: 65535}, {host: a, port: 80}]}"},
		"http2":                   {spec: "static: {appProtocol: http2, hosts: [{host: a, port: 1}]}"},
		"grpc":                    {spec: "static: {appProtocol: grpc, hosts: [{host: a, port: 1}]}"},
		"grpc-web":                {spec: "static: {appProtocol: grpc-web, hosts: [{host: a, port: 1}]}"},
		"h2c":                     {spec: "static: {appProtocol: kubernetes.io/h2c, hosts: [{host: a, port: 1}]}"},
		"websocket":               {spec: "static: {appProtocol: kubernetes.io/ws, hosts: [{host: a, port: 1}]}"},

		"another protocol": {spec: "static: {appProtocol: h3, hosts: [{host: a, port: 1}]}", want: []string{"spec.static.appProtocol", `"h3"`, `"http2"`}},
		"nothing":          {spec: "{}", want: []string{"static is required"}},
		"type alone":       {spec: "type: Static", want: []string{"static is required"}},
		"no hosts":         {spec: "static: {hosts: []}", want: []string{"spec.static.hosts", "at least 1 items"}},
		"hosts missing":    {spec: "static: {}", want: []string{"spec.static.hosts", "Required"}},
		"empty host":       {spec: "static: {hosts: [{host: '', port: 1}]}", want: []string{"spec.static.hosts[0].host", "at least 1 chars"}},
		"port 0":           {spec: "static: {hosts: [{host: a, port: 0}]}", want: []string{"spec.static.hosts[0].port", "greater than or equal to 1"}},
		"port 65536":       {spec: "static: {hosts: [{host: a, port: 65536}]}", want: []string{"spec.static.hosts[0].port", "less than or equal to 65535"}},
		"no port":          {spec: "static: {hosts: [{host: a}]}", want: []string{"spec.static.hosts[0].port", "Required"}},
		"no host":          {spec: "static: {hosts: [{port: 1}]}", want: []string{"spec.static.hosts[0].host", "Required"}},
		"unknown type":     {spec: "type: Dynamic\n" + hosts, want: []string{"spec.type", `"Dynamic"`, `"Static"`}},
		"unknown field":    {spec: "statik: {}\n" + hosts, want: []string{`unknown field "spec.statik"`}},

		"type AWS":                 {spec: "type: AWS\naws: {accountId: '1', lambda: {functionName: a}}", want: []string{"type AWS is not served", "only Static", "does not serve aws"}},
		"type DynamicForwardProxy": {spec: "type: DynamicForwardProxy\ndynamicForwardProxy: {enableTls: true}", want: []string{"type DynamicForwardProxy is not served", "does not serve dynamicForwardProxy"}},
		"type GCP":                 {spec: "type: GCP\ngcp: {host: a}", want: []string{"type GCP is not served", "does not serve gcp"}},
		"type AI":                  {spec: "type: AI\nai: {llm: {}}", want: []string{"type AI is not served", "does not serve ai"}},
		"type MCP":                 {spec: "type: MCP\nmcp: {name: a}", want: []string{"type MCP is not served", "does not serve mcp"}},
		"type and section differ":  {spec: "type: AWS\n" + hosts, want: []string{"spec.type", "type AWS is not served"}},
		"two sections":             {spec: "aws: {}\n" + hosts, want: []string{"spec.aws", "does not serve aws"}},
	}
}
