package http

import (
	"fmt"
	nethttp "net/http"

	"example.org/quickpizza/pkg/util"
)

// Routes answers the pizza API; QUICKPIZZA_DELAY slows it on purpose for lessons.
func Routes() nethttp.Handler {
	mux := nethttp.NewServeMux()
	mux.HandleFunc("/", func(w nethttp.ResponseWriter, r *nethttp.Request) { fmt.Fprint(w, "ok") })
	mux.HandleFunc("/api/pizza", func(w nethttp.ResponseWriter, r *nethttp.Request) {
		util.DelayIfEnvSet("QUICKPIZZA_DELAY")
		best := ""
		for i := 0; i < 20000; i++ {
			best = fmt.Sprintf("pizza %d", i)
		}
		fmt.Fprintf(w, `{"pizza":{"name":%q,"ingredients":[1,2]}}`, best)
	})
	return mux
}
