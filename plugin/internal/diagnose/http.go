package diagnose

import (
	"fmt"
	"strings"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/probe"
)

// http judges the answers themselves.
func (e *Evidence) http() []Finding {
	for _, x := range e.Requests {
		switch {
		case x.Expected:
		case x.Status == 0 && x.Err != nil && (x.Failure == probe.Refused || strings.Contains(x.Err.Error(), "connecting to the gateway")):
			// A port-forward says only at the first byte that nothing listens.
			return []Finding{{Code: GatewayUnreachable, Message: fmt.Sprintf("%s does not answer at %s", e.Gateway, x.URL),
				Expected: "a connection", Presented: oneLine(x.Err.Error())}}
		case x.Status == 0:
			return []Finding{{Code: UnexpectedStatus, Message: fmt.Sprintf("%s gave no answer to %s", e.Gateway, x.URL),
				Expected: "an HTTP answer", Presented: oneLine(errorText(x.Err))}}
		case x.Status == 400 && strings.Contains(x.Body, "SSL certificate") && e.asksClientCertificate():
			// nginx shakes hands without a client certificate and then
			// refuses every request.
			return []Finding{*e.clientCertificate()}
		default:
			return []Finding{e.unexpectedStatus(x)}
		}
	}
	return nil
}

func (e *Evidence) unexpectedStatus(x Exchange) Finding {
	f := Finding{
		Code:      UnexpectedStatus,
		Message:   fmt.Sprintf("%s with Host %s answered %d", x.URL, x.Host, x.Status),
		Expected:  "status " + e.Expect,
		Presented: strings.TrimSpace(fmt.Sprintf("%d %s", x.Status, head(x.Body, 80))),
	}
	if e.Live.Risen()["ssl.handshake"] > 0 {
		f.Message += ", over a TLS connection without fault"
	}
	if e.Live.Unavailable != "" {
		f.Message += ", and maybe from elsewhere: " + oneLine(e.Live.Unavailable)
	}
	return f
}

func (e *Evidence) asksClientCertificate() bool {
	d := e.Direct
	return d != nil && d.Presented != nil && d.Presented.AsksClientCertificate
}

// gatewayRefused: no request reached Envoy at all.
func (e *Evidence) gatewayRefused() bool {
	for _, x := range e.Requests {
		if x.Status != 0 {
			return false
		}
	}
	return true
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
