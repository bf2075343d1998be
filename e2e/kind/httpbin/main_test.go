package main

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAnythingRepeatsTheRequest(t *testing.T) {
	t.Parallel()
	request := httptest.NewRequest("POST", "https://httpbin.org/anything/deep?a=b", strings.NewReader("body"))
	request.Header.Set("X-Test", "one")
	recorded := httptest.NewRecorder()
	anything(recorded, request)
	var got answer
	if err := json.Unmarshal(recorded.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := answer{
		Args: map[string]string{"a": "b"}, Data: "body", Headers: map[string]string{"Host": "httpbin.org", "X-Test": "one"},
		Method: "POST", Origin: "192.0.2.1", URL: "https://httpbin.org/anything/deep?a=b",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the answer (-want +got):\n%s", diff)
	}
}
