package router

import "testing"

func TestAdd(t *testing.T) { (&node{}).add("/a") }
