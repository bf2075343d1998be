package sample

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"text/template"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster"
)

// nginxTemplate runs nginx in the foreground, without anything of the
// distribution's configuration and without privileges. On this machine it is
// one process, which can be stopped by its number.
const nginxTemplate = `daemon off;
{{- if .Listen}}
worker_processes 1;
{{- else}}
master_process off;
{{- end}}
pid "{{.Dir}}/nginx.pid";
error_log stderr warn;
events { worker_connections 512; }
http {
  access_log off;
  default_type text/plain;
  client_body_temp_path "{{.Dir}}/tmp";
  proxy_temp_path "{{.Dir}}/tmp";
  fastcgi_temp_path "{{.Dir}}/tmp";
  uwsgi_temp_path "{{.Dir}}/tmp";
  scgi_temp_path "{{.Dir}}/tmp";
  server {
    listen {{or .Listen "127.0.0.1"}}:{{.Port}}{{if not .Plaintext}} ssl{{end}};
{{- if not .Plaintext}}
    ssl_certificate "{{.CertificateFile}}";
    ssl_certificate_key "{{.KeyFile}}";
{{- if .OldTLS}}
    ssl_protocols TLSv1.1;
    ssl_ciphers ALL:@SECLEVEL=0;
{{- else}}
    ssl_protocols TLSv1.2 TLSv1.3;
{{- end}}
{{- if .WantsClientCertificate}}
    ssl_verify_client on;
    ssl_client_certificate "{{.ClientCAFile}}";
{{- end}}
{{- end}}
    location / { return 200 "Hello from the sample backend\nhost: $host\ntls: $ssl_protocol\nsni: $ssl_server_name\n"; }
  }
}
`

// NginxConfig is a configuration file for nginx.
func (s Server) NginxConfig() ([]byte, error) {
	parsed, err := template.New("nginx.conf").Option("missingkey=error").Parse(nginxTemplate)
	if err != nil {
		return nil, fmt.Errorf("parse nginx configuration: %w", err)
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, struct {
		Server
		Plaintext, OldTLS, WantsClientCertificate bool
	}{
		s, s.Break == cluster.BreakPlaintext, s.Break == cluster.BreakTLSVersion, s.Break == cluster.BreakClientCert,
	}); err != nil {
		return nil, fmt.Errorf("render nginx configuration: %w", err)
	}
	return out.Bytes(), nil
}

// NginxArgv is the command line of nginx for a configuration file.
func NginxArgv(nginx, configFile, dir string) []string {
	return []string{nginx, "-e", "stderr", "-p", dir, "-c", configFile}
}

// CheckNginx asks nginx whether it can run a configuration: some builds lack
// modules, or are too old.
func CheckNginx(ctx context.Context, argv []string) error {
	out, err := exec.CommandContext(ctx, argv[0], append(argv[1:len(argv):len(argv)], "-t")...).CombinedOutput() // #nosec G204 -- nginx of this machine
	if err == nil {
		return nil
	}
	reason, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return fmt.Errorf("%s cannot serve the sample: %s", argv[0], reason)
}
