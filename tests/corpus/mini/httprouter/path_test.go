package router

import (
	"strings"
	"testing"
)

func TestClean(t *testing.T) {
	if CleanPath("a//b") != "/a/b" {
		t.Fatal("wrong")
	}
}

func BenchmarkPathClean(b *testing.B) {
	b.ReportAllocs()
	for i := 0; i < b.N; i++ {
		CleanPath("//x//y")
	}
}

func BenchmarkPathCleanLong(b *testing.B) {
	long := strings.Repeat("a//", 500)
	b.ResetTimer()
	b.ReportAllocs()
	for i := 0; i < b.N; i++ {
		CleanPath(long)
	}
}
