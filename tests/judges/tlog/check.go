// Judges a log directory with the Go project's own transparency log packages.
//
// check DIR: exit 0 if everything in DIR holds, 1 with the reason if not. DIR/judged may hold older
// checkpoints (SIZE.checkpoint), which the log must still extend.
package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

// tiles reads C2SP tile paths: Go's own have the height in front, and "data" for entries.
type tiles struct{ dir string }

func (t tiles) file(tile tlog.Tile) string {
	path := strings.TrimPrefix(tile.Path(), "tile/"+strconv.Itoa(height)+"/")
	return filepath.Join(t.dir, "tile", strings.Replace(path, "data/", "entries/", 1))
}

func (t tiles) Height() int { return height }

func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var out [][]byte
	for _, tile := range wanted {
		data, err := os.ReadFile(t.file(tile))
		if err != nil {
			return nil, err
		}
		if len(data) != tile.W*tlog.HashSize {
			return nil, fmt.Errorf("%s has %d bytes", t.file(tile), len(data))
		}
		out = append(out, data)
	}
	return out, nil
}

func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

// opened is the tree of a checkpoint that the log's key signed.
func opened(path string, key note.Verifier) (tlog.Tree, error) {
	var tree tlog.Tree
	data, err := os.ReadFile(path)
	if err != nil {
		return tree, err
	}
	signed, err := note.Open(data, note.VerifierList(key))
	if err != nil {
		return tree, fmt.Errorf("%s: %w", path, err)
	}
	lines := strings.Split(signed.Text, "\n")
	if len(lines) != 4 || lines[0] != key.Name() || lines[3] != "" {
		return tree, fmt.Errorf("%s: not a checkpoint of %s", path, key.Name())
	}
	if tree.N, err = strconv.ParseInt(lines[1], 10, 64); err != nil {
		return tree, err
	}
	tree.Hash, err = tlog.ParseHash(lines[2])
	return tree, err
}

// entries checks every entry of every bundle against the authenticated hashes.
func entries(files tiles, tree tlog.Tree, reader tlog.HashReader) error {
	for first := int64(0); first < tree.N; first += 1 << height {
		width := tree.N - first
		if width > 1<<height {
			width = 1 << height
		}
		name := files.file(tlog.Tile{H: height, L: -1, N: first >> height, W: int(width)})
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		var indexes []int64
		for index := first; index < first+width; index++ {
			indexes = append(indexes, tlog.StoredHashIndex(0, index))
		}
		hashes, err := reader.ReadHashes(indexes)
		if err != nil {
			return err
		}
		for _, hash := range hashes {
			if len(data) < 2 {
				return fmt.Errorf("%s is short", name)
			}
			end := 2 + int(binary.BigEndian.Uint16(data))
			if len(data) < end || tlog.RecordHash(data[2:end]) != hash {
				return fmt.Errorf("%s: an entry is not the one in the tree", name)
			}
			data = data[end:]
		}
		if len(data) > 0 {
			return fmt.Errorf("%s is long", name)
		}
	}
	return nil
}

func check(dir string) error {
	vkey, err := os.ReadFile(filepath.Join(dir, "log.vkey"))
	if err != nil {
		return err
	}
	key, err := note.NewVerifier(strings.TrimSpace(string(vkey)))
	if err != nil {
		return err
	}
	tree, err := opened(filepath.Join(dir, "checkpoint"), key)
	if err != nil {
		return err
	}
	files := tiles{dir}
	reader := tlog.TileHashReader(tree, files)
	root, err := tlog.TreeHash(tree.N, reader)
	if err != nil {
		return err
	}
	if root != tree.Hash {
		return fmt.Errorf("the tiles make another root")
	}
	if err := entries(files, tree, reader); err != nil {
		return err
	}
	older, err := filepath.Glob(filepath.Join(dir, "judged", "*.checkpoint"))
	if err != nil {
		return err
	}
	for _, path := range older {
		old, err := opened(path, key)
		if err != nil {
			return err
		}
		proof, err := tlog.ProveTree(tree.N, old.N, reader)
		if err != nil {
			return err
		}
		if err := tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash); err != nil {
			return fmt.Errorf("%s: a fork: %w", path, err)
		}
	}
	fmt.Printf("go: %d entries hold, and %d older checkpoints\n", tree.N, len(older))
	return nil
}

func main() {
	if err := check(os.Args[1]); err != nil {
		fmt.Println("go: refused:", err)
		os.Exit(1)
	}
}
