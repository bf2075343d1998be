// Package image makes the OCI image of this very program, without an engine
// and without a registry. A Linux binary comes in, checked to be one that runs
// in an image that has nothing else; an archive for `ctr images import` or
// `docker load` comes out.
//
//	binary, err := image.Inspect(path)          // static, Linux, ours
//	img, err := image.Build(binary)             // reads it once, for its digest
//	err = img.WriteArchive(w)                   // reads it once more
//
// The same binary gives the same digest wherever and whenever it is built in:
// nothing of the file but its bytes goes into the image. The binary is never
// held in memory.
package image
