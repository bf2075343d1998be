package main

import (
	"context"
	"log"
	"path/filepath"
	"strings"
	"time"

	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/dump"
)

// dumpTimeout bounds the time for the state of a cluster.
const dumpTimeout = 3 * time.Minute

// dump writes into a folder what a failure may be explained by.
func (c *cluster) dump(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, dumpTimeout)
	defer cancel()
	folder, err := dump.Folder(c.out, "cluster")
	if err != nil {
		log.Print(err)
		return
	}
	commands, err := dump.Commands()
	if err != nil {
		log.Print(err)
	}
	for file, typed := range commands {
		text, err := c.kubectl(ctx, "", strings.Fields(typed)...)
		if err != nil {
			text += err.Error()
		}
		dump.Keep(folder, file+".txt", "$ kubectl "+typed+"\n"+text)
	}
	if err := c.provider.CollectLogs(c.name, filepath.Join(folder, "nodes")); err != nil {
		log.Printf("keep the logs of the nodes: %v", err)
	}
	log.Printf("the state of the cluster is in %s", folder)
}
