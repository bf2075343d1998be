// Command httpbin stands in for the site httpbin.org where tests cannot reach
// it: /anything answers with what was asked, as JSON with the fields of that
// site, over TLS.
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"io"
	"log"
	"net"
	"net/http"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// answer is what /anything says.
type answer struct {
	Args    map[string]string `json:"args"`
	Data    string            `json:"data"`
	Headers map[string]string `json:"headers"`
	Method  string            `json:"method"`
	Origin  string            `json:"origin"`
	URL     string            `json:"url"`
}

const (
	// headerTimeout is beyond what any test takes to send a request.
	headerTimeout = 10 * time.Second
	// maxData is how much of a body is repeated, in bytes.
	maxData = 1 << 16
	// grace is for the answers under way when the program ends.
	grace = 5 * time.Second
)

func main() {
	address := flag.String("listen", ":8443", "address to listen on")
	certificate := flag.String("cert", "", "file with the certificate chain")
	key := flag.String("key", "", "file with the key")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := serve(ctx, *address, *certificate, *key); err != nil {
		log.Fatal(err)
	}
}

func serve(ctx context.Context, address, certificate, key string) error {
	mux := http.NewServeMux()
	mux.HandleFunc("/anything", anything)
	mux.HandleFunc("/anything/", anything)
	server := &http.Server{
		Addr: address, Handler: mux, ReadHeaderTimeout: headerTimeout,
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12},
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		<-ctx.Done()
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		_ = server.Shutdown(ending)
	}()
	if err := server.ListenAndServeTLS(certificate, key); ctx.Err() == nil {
		return err
	}
	<-ended
	return nil
}

// anything repeats the request.
func anything(w http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(io.LimitReader(r.Body, maxData))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	said := answer{
		Args: map[string]string{}, Data: string(data), Headers: map[string]string{"Host": r.Host},
		Method: r.Method, URL: "https://" + r.Host + r.URL.RequestURI(),
	}
	for name, values := range r.URL.Query() {
		said.Args[name] = strings.Join(values, ",")
	}
	for name, values := range r.Header {
		said.Headers[name] = strings.Join(values, ",")
	}
	if said.Origin, _, err = net.SplitHostPort(r.RemoteAddr); err != nil {
		said.Origin = r.RemoteAddr
	}
	w.Header().Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(said)
}
