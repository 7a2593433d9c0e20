package router

import "testing"

func BenchmarkAllowed(b *testing.B) {
	r := New()
	r.Handle("GET", "/path")
	b.Run("Global", func(b *testing.B) {
		for i := 0; i < b.N; i++ {
			_ = r.allowed("*")
		}
	})
	b.Run("Path", func(b *testing.B) {
		for i := 0; i < b.N; i++ {
			_ = r.allowed("/path")
		}
	})
}
