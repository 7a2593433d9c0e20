package router

import "strings"

// CleanPath drops doubled slashes.
func CleanPath(p string) string {
	for strings.Contains(p, "//") {
		p = strings.Replace(p, "//", "/", -1)
	}
	if p == "" || p[0] != '/' {
		p = "/" + p
	}
	return p
}
