// Judges a log directory with the Go project's own transparency log packages.
//
// check DIR: exit 0 if everything in DIR holds, 1 with the reason if not. DIR/judged may hold older
// checkpoints (SIZE.checkpoint; SIZE-cosigned.checkpoint with a line of each witness in DIR/witnesses.vkeys)
// and proofs (SIZE-INDEX.tlog-proof), which the log must still extend.
//
// Go's package note knows no cosignatures: without the witnesses' keys it must pass their lines over, and with
// the verifier below it must accept them.
package main

import (
	"crypto/ed25519"
	"encoding/base64"
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

// witness verifies the lines of one witness: C2SP cosignature/v1, key type 4.
type witness struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (w witness) Name() string    { return w.name }
func (w witness) KeyHash() uint32 { return w.hash }

func (w witness) Verify(text, signature []byte) bool {
	if len(signature) != 8+ed25519.SignatureSize {
		return false
	}
	message := fmt.Sprintf("cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(signature), text)
	return ed25519.Verify(w.key, []byte(message), signature[8:])
}

// witnesses are those of DIR/witnesses.vkeys, if there is one.
func witnesses(dir string) ([]note.Verifier, error) {
	lines, err := os.ReadFile(filepath.Join(dir, "witnesses.vkeys"))
	if os.IsNotExist(err) {
		return nil, nil
	}
	var all []note.Verifier
	for _, line := range strings.Fields(string(lines)) {
		parts := strings.SplitN(line, "+", 3)
		if len(parts) != 3 {
			return nil, fmt.Errorf("not a witness's key: %s", line)
		}
		hash, err := strconv.ParseUint(parts[1], 16, 32)
		if err != nil {
			return nil, err
		}
		key, err := base64.StdEncoding.DecodeString(parts[2])
		if err != nil || len(key) != 1+ed25519.PublicKeySize || key[0] != 4 {
			return nil, fmt.Errorf("not a witness's key: %s", line)
		}
		all = append(all, witness{parts[0], uint32(hash), key[1:]})
	}
	return all, err
}

// opened is the tree of the checkpoint in a file, which the log's key signed, and each of the witnesses.
func opened(path string, key note.Verifier, cosigners []note.Verifier) (tlog.Tree, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return tlog.Tree{}, err
	}
	// Who knows the log's key only: witnesses' lines are no matter.
	tree, err := read(path, data, key, nil)
	if err != nil || len(cosigners) == 0 {
		return tree, err
	}
	return read(path, data, key, cosigners)
}

func read(path string, data []byte, key note.Verifier, cosigners []note.Verifier) (tlog.Tree, error) {
	var tree tlog.Tree
	signed, err := note.Open(data, note.VerifierList(append([]note.Verifier{key}, cosigners...)...))
	if err != nil {
		return tree, fmt.Errorf("%s: %w", path, err)
	}
	if len(signed.Sigs) != 1+len(cosigners) {
		return tree, fmt.Errorf("%s: %d signatures hold", path, len(signed.Sigs))
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

// entries checks every entry of every bundle against the hashes, and that these make the root: where subtrees of
// the size share a tile, TileHashReader does not authenticate all full tiles.
func entries(files tiles, tree tlog.Tree, reader tlog.HashReader) error {
	var edge []tlog.Hash
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
		for at, hash := range hashes {
			if len(data) < 2 {
				return fmt.Errorf("%s is short", name)
			}
			end := 2 + int(binary.BigEndian.Uint16(data))
			if len(data) < end || tlog.RecordHash(data[2:end]) != hash {
				return fmt.Errorf("%s: an entry is not the one in the tree", name)
			}
			data = data[end:]
			// Every trailing one of the index is a subtree that this leaf completes.
			for size := first + int64(at); size&1 == 1; size >>= 1 {
				hash = tlog.NodeHash(edge[len(edge)-1], hash)
				edge = edge[:len(edge)-1]
			}
			edge = append(edge, hash)
		}
		if len(data) > 0 {
			return fmt.Errorf("%s is long", name)
		}
	}
	for len(edge) > 1 {
		last := len(edge) - 1
		edge = append(edge[:last-1], tlog.NodeHash(edge[last-1], edge[last]))
	}
	if len(edge) != 1 || edge[0] != tree.Hash {
		return fmt.Errorf("the entries make another root")
	}
	return nil
}

// proof checks a tlog-proof file against the entry in the tree, and returns its checkpoint's tree.
func proof(path string, key note.Verifier, reader tlog.HashReader) (tlog.Tree, error) {
	var tree tlog.Tree
	data, err := os.ReadFile(path)
	if err != nil {
		return tree, err
	}
	head, checkpoint, _ := strings.Cut(string(data), "\n\n")
	lines := strings.Split(head, "\n")
	if len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" || !strings.HasPrefix(lines[1], "index ") {
		return tree, fmt.Errorf("%s: not a tlog-proof", path)
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64)
	if err != nil {
		return tree, err
	}
	var hashes tlog.RecordProof
	for _, line := range lines[2:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return tree, fmt.Errorf("%s: %w", path, err)
		}
		hashes = append(hashes, hash)
	}
	if tree, err = read(path, []byte(checkpoint), key, nil); err != nil {
		return tree, err
	}
	leaf, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(0, index)})
	if err != nil {
		return tree, err
	}
	if err := tlog.CheckRecord(hashes, tree.N, tree.Hash, index, leaf[0]); err != nil {
		return tree, fmt.Errorf("%s: %w", path, err)
	}
	return tree, nil
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
	cosigners, err := witnesses(dir)
	if err != nil {
		return err
	}
	tree, err := opened(filepath.Join(dir, "checkpoint"), key, nil)
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
	older, err := filepath.Glob(filepath.Join(dir, "judged", "*"))
	if err != nil {
		return err
	}
	for _, path := range older {
		var old tlog.Tree
		if strings.HasSuffix(path, ".tlog-proof") {
			old, err = proof(path, key, reader)
		} else if strings.HasSuffix(path, "-cosigned.checkpoint") {
			old, err = opened(path, key, cosigners)
		} else {
			old, err = opened(path, key, nil)
		}
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
	fmt.Printf("go: %d entries hold, and %d older checkpoints and proofs\n", tree.N, len(older))
	return nil
}

func main() {
	if err := check(os.Args[1]); err != nil {
		fmt.Println("go: refused:", err)
		os.Exit(1)
	}
}
