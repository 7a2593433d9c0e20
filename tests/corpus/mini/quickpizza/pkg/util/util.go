package util

import (
	"os"
	"strconv"
	"time"
)

func DelayIfEnvSet(name string) {
	if ms, err := strconv.Atoi(os.Getenv(name)); err == nil {
		time.Sleep(time.Duration(ms) * time.Millisecond)
	}
}
