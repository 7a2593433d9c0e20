package router

type node struct {
	kids map[string]*node
	leaf bool
}

func (n *node) add(path string) {
	if n.kids == nil {
		n.kids = map[string]*node{}
	}
	n.kids[path] = &node{leaf: true}
}
