package main

import (
	"net/http"

	web "example.org/quickpizza/pkg/http"
)

func main() { _ = http.ListenAndServe(":3333", web.Routes()) }
