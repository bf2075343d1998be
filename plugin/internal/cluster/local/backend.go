package local

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/port"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/sample"
)

// sampleHost is a name of loopback that an EndpointSlice may hold: of FQDN
// type, and with two labels (RFC 6761 section 6.3).
const sampleHost = "nginx.localhost"

func (u *up) sampleServer() sample.Server {
	dir := u.dir.path("sample")
	return sample.Server{
		Port: u.Ports.Sample, Break: u.Break, Dir: dir,
		CertificateFile: u.dir.path("sample", "tls.crt"),
		KeyFile:         u.dir.path("sample", "tls.key"),
		ClientCAFile:    u.dir.path("sample", "client-ca.crt"),
	}
}

// backend is the sample: nginx, or this very binary where there is none.
func (u *up) backend(ctx context.Context) (part, error) {
	server := u.sampleServer()
	p := part{
		name:   "sample",
		title:  "the sample",
		inputs: []string{server.CertificateFile, server.ClientCAFile},
		ports:  []port.Use{{Number: server.Port}},
		check:  server.Check,
	}
	argv, input, err := u.nginx(ctx, server)
	if err != nil {
		u.note = fmt.Sprintf("%s: the sample is a server built into this binary.", err)
		argv, input, err = u.builtin(server)
	}
	p.argv, p.inputs = argv, append(p.inputs, input)
	return p, err
}

func (u *up) nginx(ctx context.Context, server sample.Server) (argv []string, config string, err error) {
	path, err := u.driver.finder().Nginx()
	if err != nil {
		return nil, "", err
	}
	content, err := server.NginxConfig()
	if err != nil {
		return nil, "", err
	}
	if err := u.dir.write(content, "sample", "nginx.conf"); err != nil {
		return nil, "", err
	}
	config = u.dir.path("sample", "nginx.conf")
	argv = sample.NginxArgv(path, config, server.Dir)
	return argv, config, sample.CheckNginx(ctx, argv)
}

func (u *up) builtin(server sample.Server) (argv []string, config string, err error) {
	content, err := json.Marshal(server)
	if err != nil {
		return nil, "", fmt.Errorf("describe the sample: %w", err)
	}
	if err := u.dir.write(content, "sample", "server.json"); err != nil {
		return nil, "", err
	}
	config = u.dir.path("sample", "server.json")
	return append(append([]string{u.driver.Executable}, u.driver.SampleArgs...), config), config, nil
}

// ServeSample serves what the file describes, until ctx ends: it is what
// SampleArgs have to lead to.
func ServeSample(ctx context.Context, file string) error {
	content, err := os.ReadFile(file) // #nosec G304 -- given by the driver
	if err != nil {
		return fmt.Errorf("read the description of the sample: %w", err)
	}
	var server sample.Server
	if err := json.Unmarshal(content, &server); err != nil {
		return fmt.Errorf("read the description of the sample: %w", err)
	}
	return server.Serve(ctx)
}

// systemBundle is the CA bundle of the operating system, or empty where there
// is none at a known place.
func systemBundle(getenv func(string) string) string {
	for _, path := range []string{
		getenv("SSL_CERT_FILE"),
		"/etc/ssl/certs/ca-certificates.crt", // Debian, Arch
		"/etc/pki/tls/certs/ca-bundle.crt",   // Fedora
		"/etc/ssl/ca-bundle.pem",             // SUSE
		"/etc/ssl/cert.pem",                  // Alpine, macOS
	} {
		if info, err := os.Stat(path); path != "" && err == nil && info.Mode().IsRegular() {
			return path
		}
	}
	return ""
}
