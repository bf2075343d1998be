package traffic

import (
	"context"
	"fmt"
	"io"
	"net/http"
)

// maxAnswer is more than any server of the tests says, in bytes.
const maxAnswer = 1 << 20

// Answer is what a gateway said.
type Answer struct {
	Status            int
	ContentType, Body string
}

func (a Answer) String() string { return fmt.Sprintf("%d %q", a.Status, a.Body) }

// Get asks once, on a connection of its own.
func Get(ctx context.Context, url, host string) (Answer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return Answer{}, fmt.Errorf("make request: %w", err)
	}
	request.Host = host
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return Answer{}, fmt.Errorf("read answer: %w", err)
	}
	return Answer{Status: response.StatusCode, ContentType: response.Header.Get("Content-Type"), Body: string(body)}, nil
}
