package probe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// maxAdminAnswer bounds an answer of the admin interface: a config dump of
// thousands of clusters fits, an endless stream does not.
const maxAdminAnswer = 512 << 20

// Admin is the admin interface of one running Envoy. It only reads.
type Admin struct {
	// Name is the proxy's pod, or its address: for messages.
	Name   string
	base   *url.URL
	client *http.Client
}

// NewAdmin reads the admin interface at baseURL through client.
func NewAdmin(name, baseURL string, client *http.Client) (*Admin, error) {
	base, err := url.Parse(baseURL)
	if err != nil {
		return nil, fmt.Errorf("envoy admin of %s: %w", name, err)
	}
	return &Admin{Name: name, base: base, client: client}, nil
}

// Close gives the kept connection back.
func (a *Admin) Close() { a.client.CloseIdleConnections() }

// errNotFound: the admin interface has nothing under that path.
var errNotFound = errors.New("not found")

func (a *Admin) getJSON(ctx context.Context, path string, query url.Values, into any) error {
	return a.get(ctx, path, query, func(body io.Reader) error {
		if err := json.NewDecoder(body).Decode(into); err != nil {
			return fmt.Errorf("reading it as JSON: %w", err)
		}
		return nil
	})
}

func (a *Admin) get(ctx context.Context, path string, query url.Values, read func(io.Reader) error) error {
	target := a.base.JoinPath(path)
	target.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return fmt.Errorf("envoy admin %s of %s: %w", path, a.Name, err)
	}
	response, err := a.client.Do(request)
	if err != nil {
		return fmt.Errorf("envoy admin %s of %s: %w", path, a.Name, errors.Unwrap(err))
	}
	defer func() { _ = response.Body.Close() }()
	switch response.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound:
		return fmt.Errorf("envoy admin %s of %s: %w", path, a.Name, errNotFound)
	default:
		return fmt.Errorf("envoy admin %s of %s: status %d", path, a.Name, response.StatusCode)
	}
	if err := read(io.LimitReader(response.Body, maxAdminAnswer)); err != nil {
		return fmt.Errorf("envoy admin %s of %s: %w", path, a.Name, err)
	}
	return nil
}
