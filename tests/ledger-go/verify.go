// Verifies an export of the ledger with the code of Go's checksum database, and none of ours.
//
//	verify DIR VKEY          the whole tree, every file, every entry
//	verify -proofs DIR VKEY  likewise, and an inclusion proof of each entry
//	verify -old OLD DIR VKEY likewise, and that OLD is the beginning of DIR
//	verify -serve DIR VKEY   likewise, once for each line on standard input; answers `good` or `bad: …`
package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8
const width = 1 << height

func main() {
	old := flag.String("old", "", "an older export")
	proofs := flag.Bool("proofs", false, "prove each entry")
	serve := flag.Bool("serve", false, "verify again for each line of standard input")
	flag.Parse()
	if flag.NArg() != 2 {
		flag.Usage()
		os.Exit(2)
	}
	dir, vkey := flag.Arg(0), flag.Arg(1)
	if *serve {
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			if _, err := verify(dir, vkey); err != nil {
				fmt.Println("bad:", strings.ReplaceAll(err.Error(), "\n", " "))
			} else {
				fmt.Println("good")
			}
		}
		return
	}
	start := time.Now()
	export, err := verify(dir, vkey)
	if err == nil && *proofs {
		err = export.proveEach()
	}
	if err == nil && *old != "" {
		err = continues(*old, export, vkey)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "verify:", err)
		os.Exit(1)
	}
	fmt.Printf("%d entries, %d files, root %v, in %d ms\n", export.tree.N, export.files, export.tree.Hash, time.Since(start).Milliseconds())
}

// An export whose every byte has been looked at.
type export struct {
	dir    string
	tree   tlog.Tree
	leaves []tlog.Hash
	stored stored
	files  int
}

// The hashes of a tree in the order of tlog.StoredHashIndex.
type stored []tlog.Hash

func (s stored) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		if index >= int64(len(s)) {
			return nil, fmt.Errorf("no hash %d", index)
		}
		hashes[i] = s[index]
	}
	return hashes, nil
}

func verify(dir, vkey string) (*export, error) {
	tree, err := checkpoint(dir, vkey)
	if err != nil {
		return nil, err
	}
	e := &export{dir: dir, tree: tree}
	if err := e.readEntries(); err != nil {
		return nil, err
	}
	root, err := tlog.TreeHash(tree.N, e.stored)
	if err != nil {
		return nil, err
	}
	if root != tree.Hash {
		return nil, fmt.Errorf("the entries have root %v, the checkpoint says %v", root, tree.Hash)
	}
	return e, e.compareFiles()
}

// The head in the signed note, which must be written in the one way in which it can be.
func checkpoint(dir, vkey string) (tree tlog.Tree, err error) {
	raw, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		return tree, err
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return tree, err
	}
	opened, err := note.Open(raw, note.VerifierList(verifier))
	if err != nil {
		return tree, err
	}
	if len(opened.Sigs) != 1 || len(opened.UnverifiedSigs) != 0 {
		return tree, fmt.Errorf("the checkpoint has not one signature")
	}
	// Base64 has unused bits, which no signature covers.
	signature, err := base64.StdEncoding.Strict().DecodeString(opened.Sigs[0].Base64)
	if err != nil || base64.StdEncoding.EncodeToString(signature) != opened.Sigs[0].Base64 {
		return tree, fmt.Errorf("the signature is not canonical base64")
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() || lines[3] != "" {
		return tree, fmt.Errorf("the checkpoint is not of three lines, the first %q", verifier.Name())
	}
	if _, err := fmt.Sscanf(lines[1], "%d", &tree.N); err != nil || fmt.Sprint(tree.N) != lines[1] {
		return tree, fmt.Errorf("the size is no number: %q", lines[1])
	}
	if tree.Hash, err = tlog.ParseHash(lines[2]); err != nil {
		return tree, err
	}
	return tree, nil
}

// Reads every leaf and every payload of the newest bundles, and builds the tree from them.
func (e *export) readEntries() error {
	for first := int64(0); first < e.tree.N; first += width {
		count := e.tree.N - first
		if count > width {
			count = width
		}
		entries, err := bundle(e.dir, first/width, count)
		if err != nil {
			return err
		}
		payloads, err := payloadLines(e.dir, first/width, count)
		if err != nil {
			return err
		}
		for i, entry := range entries {
			number := first + int64(i)
			if err := fits(number, entry, payloads[i]); err != nil {
				return err
			}
			leaf := tlog.RecordHash(entry)
			hashes, err := tlog.StoredHashesForRecordHash(number, leaf, e.stored)
			if err != nil {
				return err
			}
			e.stored = append(e.stored, hashes...)
			e.leaves = append(e.leaves, leaf)
		}
	}
	return nil
}

// An envelope is canonical JSON, so what it says stands in it in one way only.
func fits(number int64, envelope, payload []byte) error {
	digest := fmt.Sprintf("\"payload_sha256\":\"%x\",\"sequence\":%d,", sha256.Sum256(payload), number)
	if !bytes.Contains(envelope, []byte(digest)) {
		return fmt.Errorf("entry %d is not that of its payload, or of its place", number)
	}
	return nil
}

func bundle(dir string, index, count int64) ([][]byte, error) {
	path := filepath.Join("tile", "entries", numbered(index, count))
	raw, err := os.ReadFile(filepath.Join(dir, path))
	if err != nil {
		return nil, err
	}
	var entries [][]byte
	for len(raw) > 0 {
		if len(raw) < 2 || len(raw)-2 < int(binary.BigEndian.Uint16(raw)) {
			return nil, fmt.Errorf("%s breaks off", path)
		}
		end := 2 + int(binary.BigEndian.Uint16(raw))
		entries, raw = append(entries, raw[2:end]), raw[end:]
	}
	if int64(len(entries)) != count {
		return nil, fmt.Errorf("%s has %d entries, not %d", path, len(entries), count)
	}
	return entries, nil
}

func payloadLines(dir string, index, count int64) ([][]byte, error) {
	path := filepath.Join("payload", numbered(index, count))
	raw, err := os.ReadFile(filepath.Join(dir, path))
	if err != nil {
		return nil, err
	}
	lines := bytes.Split(raw, []byte("\n"))
	if int64(len(lines)) != count+1 || len(lines[count]) != 0 {
		return nil, fmt.Errorf("%s has not %d lines", path, count)
	}
	return lines[:count], nil
}

// Every file is one that belongs there, and holds what the tree has. Files of earlier exports
// stay: partial bundles and tiles, each the beginning of a fuller one.
func (e *export) compareFiles() error {
	needed := map[string]bool{"checkpoint": true}
	for _, tile := range tlog.NewTiles(height, 0, e.tree.N) {
		// Of tiles that aren't full it names every width; the last is the one of this tree.
		if int64(tile.W) == width || tile.N*width+int64(tile.W) == e.tree.N>>(height*tile.L) {
			needed[tilePath(tile)] = true
		}
	}
	for first := int64(0); first < e.tree.N; first += width {
		count := e.tree.N - first
		if count > width {
			count = width
		}
		needed[filepath.Join("tile", "entries", numbered(first/width, count))] = true
		needed[filepath.Join("payload", numbered(first/width, count))] = true
	}
	err := filepath.WalkDir(e.dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(e.dir, path)
		if err != nil {
			return err
		}
		e.files++
		fresh := needed[name]
		delete(needed, name)
		return e.compareFile(name, fresh)
	})
	for name := range needed {
		if err == nil {
			err = fmt.Errorf("%s is missing", name)
		}
	}
	return err
}

func (e *export) compareFile(name string, newest bool) error {
	if name == "checkpoint" {
		return nil
	}
	for _, kind := range []string{"tile/entries/", "payload/"} {
		if !strings.HasPrefix(name, kind) {
			continue
		}
		// What was read already needs no second look.
		if newest {
			return nil
		}
		index, count, err := parseNumbered(strings.TrimPrefix(name, kind))
		if err != nil {
			return err
		}
		return e.comparePart(kind, index, count)
	}
	tile, err := tlog.ParseTilePath(strings.Replace(name, "tile/", fmt.Sprintf("tile/%d/", height), 1))
	if err != nil {
		return fmt.Errorf("%s does not belong here: %v", name, err)
	}
	data, err := os.ReadFile(filepath.Join(e.dir, name))
	if err != nil {
		return err
	}
	expected, err := tlog.ReadTileData(tile, e.stored)
	if err != nil || !bytes.Equal(data, expected) {
		return fmt.Errorf("%s does not hold the hashes of the tree", name)
	}
	return nil
}

// A bundle of an earlier export, or its payloads.
func (e *export) comparePart(kind string, index, count int64) error {
	if count == width || index*width+count > e.tree.N {
		return fmt.Errorf("%s%s does not belong here", kind, numbered(index, count))
	}
	entries, err := bundle(e.dir, index, count)
	if err != nil {
		return err
	}
	payloads, err := payloadLines(e.dir, index, count)
	if err != nil {
		return err
	}
	for i, entry := range entries {
		number := index*width + int64(i)
		if tlog.RecordHash(entry) != e.leaves[number] {
			return fmt.Errorf("entry %d of an earlier export is another", number)
		}
		if err := fits(number, entry, payloads[i]); err != nil {
			return err
		}
	}
	return nil
}

// Cut into as many parts as there are processors.
func (e *export) proveEach() error {
	parts := runtime.NumCPU()
	failures := make(chan error, parts)
	for part := 0; part < parts; part++ {
		go func(part int) { failures <- e.prove(part, parts) }(part)
	}
	var failure error
	for part := 0; part < parts; part++ {
		if err := <-failures; err != nil {
			failure = err
		}
	}
	return failure
}

func (e *export) prove(first, step int) error {
	for number := first; number < len(e.leaves); number += step {
		proof, err := tlog.ProveRecord(e.tree.N, int64(number), e.stored)
		if err != nil {
			return err
		}
		if err := tlog.CheckRecord(proof, e.tree.N, e.tree.Hash, int64(number), e.leaves[number]); err != nil {
			return fmt.Errorf("entry %d: %v", number, err)
		}
	}
	return nil
}

// Proves from the tiles on the disk, as a client of the log would, that the older tree is the beginning.
func continues(oldDir string, e *export, vkey string) error {
	old, err := verify(oldDir, vkey)
	if err != nil {
		return fmt.Errorf("the older export: %v", err)
	}
	proof, err := tlog.ProveTree(e.tree.N, old.tree.N, tlog.TileHashReader(e.tree, tiles{e.dir}))
	if err != nil {
		return err
	}
	return tlog.CheckTree(proof, e.tree.N, e.tree.Hash, old.tree.N, old.tree.Hash)
}

type tiles struct{ dir string }

func (tiles) Height() int { return height }

func (tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var read [][]byte
	for _, tile := range wanted {
		data, err := os.ReadFile(filepath.Join(t.dir, tilePath(tile)))
		if err != nil {
			return nil, err
		}
		read = append(read, data)
	}
	return read, nil
}

// The path of tlog-tiles: Go's own has the height before it.
func tilePath(tile tlog.Tile) string {
	return strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/", height), "tile/", 1)
}

// A bundle's number is written as that of a tile.
func numbered(index, count int64) string {
	path := tlog.Tile{H: height, L: 0, N: index, W: int(count)}.Path()
	return strings.TrimPrefix(path, fmt.Sprintf("tile/%d/0/", height))
}

func parseNumbered(path string) (index, count int64, err error) {
	tile, err := tlog.ParseTilePath(fmt.Sprintf("tile/%d/0/%s", height, path))
	return tile.N, int64(tile.W), err
}
