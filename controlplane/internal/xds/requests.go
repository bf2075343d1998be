package xds

import "context"

// requests are the requests of a proxy, among which the server can put its
// own.
type requests[R any] struct {
	ctx      context.Context
	incoming chan received[R]
	own      chan R
}

type received[R any] struct {
	request R
	err     error
}

// newRequests reads until the context ends or reading fails. The first request
// has been read already.
func newRequests[R any](ctx context.Context, first R, recv func() (R, error)) *requests[R] {
	r := &requests[R]{ctx: ctx, incoming: make(chan received[R], 1), own: make(chan R, 1)}
	r.incoming <- received[R]{request: first}
	go func() {
		for {
			request, err := recv()
			select {
			case r.incoming <- received[R]{request: request, err: err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return r
}

// next waits for a request, and tells whether it is the server's own.
func (r *requests[R]) next() (request R, own bool, err error) {
	select {
	case got := <-r.incoming:
		return got.request, false, got.err
	case request = <-r.own:
		return request, true, nil
	case <-r.ctx.Done():
		return request, false, context.Cause(r.ctx)
	}
}

// inject adds an own request in place of one that has not been taken.
func (r *requests[R]) inject(request R) {
	for {
		select {
		case r.own <- request:
			return
		default:
		}
		select {
		case <-r.own:
		default:
		}
	}
}
