package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/spf13/cobra"

	"github.com/rotationguard/rotationguard/pkg/archive"
	"github.com/rotationguard/rotationguard/pkg/inventory"
	"github.com/rotationguard/rotationguard/pkg/report"
)

// invokeFlags say which deployed function sweeps, and what.
type invokeFlags struct {
	accountFlags
	stackFlag
	outputFlags
	scope    scopeFlags
	function string
	mode     string
}

func newInvokeCommand() *cobra.Command {
	f := &invokeFlags{}
	cmd := &cobra.Command{
		Use:   "invoke",
		Short: "Let the deployed function sweep now, and print its report",
		Long: `Invokes the deployed function, waits until its sweep has ended (a large account's goes on in several invocations) and prints the full
report as sweep would. The function sweeps with its own roles and configuration; --mode may ask for less than the mode that it was deployed
with, never for more. The caller needs lambda:InvokeFunction and may read the reports' bucket.

Exit codes: those of sweep: 0 all in sync; 2 drift found, or a change was refused or failed; 1 could not run, or something could not be read.`,
		Example: `  rotationguard invoke
  rotationguard invoke --mode report --secret prod/db/app
  rotationguard invoke --function rotationguard-sweep --output json --out report.json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	f.accountFlags.register(cmd)
	f.stackFlag.register(cmd)
	f.outputFlags.register(cmd, textOutput, jsonOutput, htmlOutput, csvOutput, junitOutput, sarifOutput, ocsfOutput, asffOutput)
	f.scope.register(cmd)
	cmd.Flags().StringVar(&f.function, "function", "", "the function's `NAME` or ARN (default: the stack's output FunctionName)")
	cmd.Flags().StringVar(&f.mode, "mode", "", "ask for this mode: report, repair or enforce (default: the deployed one)")
	_ = cmd.RegisterFlagCompletionFunc("mode", cobra.FixedCompletions([]string{"report", "repair", "enforce"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (f *invokeFlags) run(cmd *cobra.Command) error {
	event, err := f.event()
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	cfg, _, err := f.caller(ctx)
	if err != nil {
		return err
	}
	if f.function == "" {
		stack, err := f.read(ctx, cfg)
		if errors.Is(err, errNoStack) {
			return fmt.Errorf("%w: name the function with --function, or the stack with --stack", err)
		}
		if err != nil {
			return err
		}
		if f.function = outputs(&stack)["FunctionName"]; f.function == "" {
			return fmt.Errorf("the stack %s has no output FunctionName: name the function with --function", f.stack)
		}
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "rotationguard: %s sweeps\n", oneLine(errors.New(f.function)))
	answer, err := invoke(ctx, cfg, f.function, event)
	if err != nil {
		return err
	}
	outcome, err := answer.outcome(ctx, cmd.ErrOrStderr(), cfg)
	if err != nil {
		return err
	}
	outcome.Sort()
	if err := f.print(cmd, func(w io.Writer) error { return f.write(w, &outcome, f.style(cmd.OutOrStdout())) }); err != nil {
		return err
	}
	return exitWith(outcome.ExitCode())
}

// event is what the function is asked for, in the form of an event by hand.
func (f *invokeFlags) event() ([]byte, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	if f.mode != "" {
		if err := oneOf("mode", f.mode, "report", "repair", "enforce"); err != nil {
			return nil, err
		}
	}
	scope, err := f.scope.scope()
	if err != nil {
		return nil, err
	}
	return json.Marshal(struct {
		Mode    string            `json:"mode,omitempty"`
		Secrets []string          `json:"secrets,omitempty"`
		Tags    map[string]string `json:"tags,omitempty"`
	}{f.mode, scope.Secrets, scope.Tags})
}

// answer is what the function returns, as far as it is needed.
type answer struct {
	Account   string         `json:"account"`
	Region    string         `json:"region"`
	Summary   report.Summary `json:"summary"`
	Report    *string        `json:"report"`    // where the full report is
	Continues *string        `json:"continues"` // where it will be: the sweep goes on in another invocation
}

// invokeTime is how long an answer is waited for: the longest that Lambda runs a function, and a minute.
const invokeTime = 16 * time.Minute

// invoke waits for the function's answer. It is asked once: another attempt would be another sweep.
func invoke(ctx context.Context, cfg aws.Config, function string, event []byte) (answer, error) {
	client := lambda.NewFromConfig(cfg, func(o *lambda.Options) {
		o.HTTPClient, o.RetryMaxAttempts, o.Retryer = awshttp.NewBuildableClient().WithTimeout(invokeTime), 1, aws.NopRetryer{}
	})
	out, err := client.Invoke(ctx, &lambda.InvokeInput{FunctionName: &function, Payload: event})
	if err != nil {
		return answer{}, inventory.Explain(cfg, "invoking "+function, err)
	}
	if out.FunctionError != nil {
		var said struct{ ErrorType, ErrorMessage string }
		if json.Unmarshal(out.Payload, &said) != nil || said.ErrorMessage == "" {
			return answer{}, fmt.Errorf("%s failed (%s): %s", function, aws.ToString(out.FunctionError), shorten(string(out.Payload), 300))
		}
		return answer{}, fmt.Errorf("%s failed with %s: %s", function, said.ErrorType, said.ErrorMessage)
	}
	var a answer
	if err := json.Unmarshal(out.Payload, &a); err != nil || !accountNumber.MatchString(a.Account) {
		return answer{}, fmt.Errorf("%s answers %s: it is not the function of rotationguard", function, shorten(string(out.Payload), 300))
	}
	return a, nil
}

// How often a report is looked for that is not there yet, and how long: the parts of a sweep take three hours at most.
const (
	reportEvery  = 3 * time.Second
	reportWithin = 3*time.Hour + 15*time.Minute
)

// outcome is the full report that the answer names, once it is there.
func (a *answer) outcome(ctx context.Context, stderr io.Writer, cfg aws.Config) (report.Outcome, error) {
	client := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = emulated(cfg) })
	switch {
	case a.Continues != nil:
		fmt.Fprintf(stderr, "rotationguard: the sweep goes on in another invocation; its report will be %s\n", oneLine(errors.New(*a.Continues)))
		waiting, cancel := context.WithTimeout(ctx, reportWithin)
		defer cancel()
		for {
			o, err := openReport(waiting, client, *a.Continues)
			if !errors.Is(err, errNoReport) {
				return o, err
			}
			select {
			case <-waiting.Done():
				if ctx.Err() != nil {
					return o, ctx.Err()
				}
				return o, fmt.Errorf("the sweep left no report in %s: look into the function's log", reportWithin)
			case <-time.After(reportEvery):
			}
		}
	case a.Report != nil:
		return openReport(ctx, client, *a.Report)
	}
	return report.Outcome{}, fmt.Errorf("the function has swept %d secrets (%v), and keeps no full report: deploy it with a bucket for reports", a.Summary.Secrets, a.Summary.ByVerdict)
}

// errNoReport says that S3 has no such object. Who may not list the bucket is denied instead, and is told so.
var errNoReport = errors.New("there is no such report")

func openReport(ctx context.Context, client archive.API, where string) (report.Outcome, error) {
	body, err := archive.Open(ctx, client, where, jsonOutput)
	var api smithy.APIError
	switch {
	case errors.As(err, &api) && api.ErrorCode() == "NoSuchKey":
		return report.Outcome{}, fmt.Errorf("%s: %w", where, errNoReport)
	case err != nil:
		return report.Outcome{}, fmt.Errorf("reading the report %s: %s", where, inventory.DescribeError(err))
	}
	defer func() { _ = body.Close() }()
	o, err := report.Read(body)
	o.At = time.Now().UTC()
	return o, err
}
