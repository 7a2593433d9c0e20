package router

type Router struct{ trees map[string]*node }

func New() *Router { return &Router{trees: map[string]*node{}} }
func (r *Router) Handle(method, path string) {
	if r.trees[method] == nil {
		r.trees[method] = &node{}
	}
	r.trees[method].add(CleanPath(path))
}
func (r *Router) allowed(path string) (out []string) {
	for m := range r.trees {
		out = append(out, m)
	}
	return
}
