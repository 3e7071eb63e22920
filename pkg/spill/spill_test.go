package spill_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/rotationguard/rotationguard/pkg/spill"
)

func TestValuesComeBackAsTheyWere(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	t.Setenv("TMP", folder)
	var s spill.Store
	var texts []string
	var refs []spill.Ref
	total := 0
	for i := range 4000 { // far beyond what is kept in memory
		text := fmt.Sprintf("%d %s", i, strings.Repeat(string(rune('a'+i%26)), rand.IntN(1500)))
		ref, err := s.Put(text)
		if err != nil {
			t.Fatal(err)
		}
		texts, refs, total = append(texts, text), append(refs, ref), total+len(text)
	}
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for _, i := range rand.Perm(len(texts)) {
				var got string
				if err := s.Get(refs[i], &got); err != nil || got != texts[i] {
					t.Errorf("value %d of %d bytes: %d bytes, %v", i, len(texts[i]), len(got), err)
					return
				}
			}
		})
	}
	readers.Wait()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestNoValueIsAnError(t *testing.T) {
	var s spill.Store
	var got string
	if err := s.Get(spill.Ref{}, &got); err == nil {
		t.Error("the zero Ref has a value")
	}
	if !(spill.Ref{}).None() {
		t.Error("the zero Ref is one of a value")
	}
}

func TestAFolderThatIsNotThereIsAnErrorOnceItIsNeeded(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir()+"/none")
	t.Setenv("TMP", t.TempDir()+"/none")
	var s spill.Store
	defer s.Close()
	for range 3000 {
		if _, err := s.Put(rand.Perm(200)); err != nil {
			if !strings.HasPrefix(err.Error(), "setting aside what was read: ") {
				t.Errorf("err = %v", err)
			}
			return
		}
	}
	t.Error("megabytes were kept somewhere")
}
