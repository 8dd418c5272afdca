// Package deploy checks the manifests and workflows in this directory.
package deploy

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rhysd/actionlint"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	"sigs.k8s.io/yaml"
)

// job parses the manifest. Unknown fields are errors.
func job(t *testing.T, manifest []byte) (job batchv1.Job, err error) {
	err = yaml.UnmarshalStrict(manifest, &job)
	return job, err
}

// The manifest is a Kubernetes Job with as many shards as it says.
func TestJob(t *testing.T) {
	manifest, err := os.ReadFile("search-job.yaml")
	require.NoError(t, err)
	j, err := job(t, manifest)
	require.NoError(t, err)
	assert.Equal(t, "batch/v1", j.APIVersion)
	assert.Equal(t, "Job", j.Kind)
	require.NotNil(t, j.Spec.CompletionMode)
	assert.Equal(t, batchv1.IndexedCompletion, *j.Spec.CompletionMode)
	require.Len(t, j.Spec.Template.Spec.Containers, 1)
	container := j.Spec.Template.Spec.Containers[0]
	require.NotNil(t, j.Spec.PodFailurePolicy)
	assert.Equal(t, container.Name, *j.Spec.PodFailurePolicy.Rules[1].OnExitCodes.ContainerName)
	assert.EqualValues(t, "Never", j.Spec.Template.Spec.RestartPolicy, "as a podFailurePolicy requires")

	// The command of the pods, run with a program that prints its shard.
	bin := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(bin, "search.test"), []byte("#!/bin/sh\necho $SIMTEST_SHARD $SIMTEST_REPORT\n"), 0o777))
	var shards []string
	for i := range *j.Spec.Completions {
		command := exec.Command(container.Command[0], append(container.Command[1:], container.Args...)...)
		command.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "JOB_COMPLETION_INDEX=" + strconv.Itoa(int(i))}
		for _, variable := range container.Env {
			command.Env = append(command.Env, variable.Name+"="+variable.Value)
		}
		output, err := command.Output()
		require.NoError(t, err)
		shards = append(shards, strings.TrimSpace(string(output)))
	}
	for i, shard := range shards {
		assert.Equal(t, fmt.Sprintf("%d/%d /reports/%d.json", i+1, len(shards), i), shard)
	}
}

// A field that Kubernetes does not know is an error.
func TestJobIsStrict(t *testing.T) {
	manifest, err := os.ReadFile("search-job.yaml")
	require.NoError(t, err)
	for _, field := range []string{"completionMode", "backoffLimitPerIndex", "mountPath", "onPodConditions"} {
		_, err := job(t, bytes.Replace(manifest, []byte(field+":"), []byte(field+"s:"), 1))
		assert.ErrorContains(t, err, field+"s")
	}
}

// lint returns the errors of a workflow.
func lint(t *testing.T, path string, workflow []byte) (wrong []string) {
	linter, err := actionlint.NewLinter(io.Discard, &actionlint.LinterOptions{})
	require.NoError(t, err)
	errs, err := linter.Lint(path, workflow, nil)
	require.NoError(t, err)
	for _, e := range errs {
		wrong = append(wrong, e.Error())
	}
	return wrong
}

// GitHub accepts the workflows, including this project's own.
func TestWorkflows(t *testing.T) {
	own, err := filepath.Glob("../.github/workflows/*.yml")
	require.NoError(t, err)
	require.NotEmpty(t, own)
	for _, path := range append(own, "search-workflow.yaml") {
		workflow, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Empty(t, lint(t, path, workflow))
	}
	workflow, err := os.ReadFile("search-workflow.yaml")
	require.NoError(t, err)
	for before, after := range map[string]string{"matrix.shard": "matrix.shards", "fail-fast": "failfast", "needs: search": "needs: serch", "github.workspace": "github.wrkspace"} {
		assert.NotEmpty(t, lint(t, "search-workflow.yaml", bytes.Replace(workflow, []byte(before), []byte(after), 1)), after)
	}
}
