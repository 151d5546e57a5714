// A CSI client as the Kubernetes sidecars are: grpc-go over a unix socket, with deadlines, metadata,
// keep-alive pings, cancellation, large messages and many calls at once. It prints a line for each
// thing it tried and ends with 1 where one was not as it should be.
package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	csi "csi"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

const (
	patience = 60 * time.Second
	// grpc-go pings no more often than every 10 seconds.
	pingEvery = 10 * time.Second
	// A machine may stand still for a while, and that is no answer that was not given.
	pingLimit = 8 * time.Second
	idle      = 20 * time.Second
	large     = 8 << 20
	many      = 200
)

var failed bool

func check(name string, ok bool, got interface{}) {
	fmt.Printf("%v %s: %v\n", map[bool]string{true: "ok", false: "FAILED"}[ok], name, got)
	failed = failed || !ok
}

func within(limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), limit)
}

func volume(name string) *csi.CreateVolumeRequest {
	return &csi.CreateVolumeRequest{
		Name:               name,
		CapacityRange:      &csi.CapacityRange{RequiredBytes: 1 << 30},
		VolumeCapabilities: []*csi.VolumeCapability{capability()},
	}
}

func capability() *csi.VolumeCapability {
	return &csi.VolumeCapability{
		AccessType: &csi.VolumeCapability_Mount{Mount: &csi.VolumeCapability_MountVolume{FsType: "ext4"}},
		AccessMode: &csi.VolumeCapability_AccessMode{Mode: csi.VolumeCapability_AccessMode_SINGLE_NODE_WRITER},
	}
}

func calls(connection *grpc.ClientConn) {
	controller, identity := csi.NewControllerClient(connection), csi.NewIdentityClient(connection)
	ctx, cancel := within(patience)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, "x-call-id", "from-go", "x-blob-bin", "\x00\xff")

	info, err := identity.GetPluginInfo(ctx, &csi.GetPluginInfoRequest{})
	check("name and metadata", err == nil && info.GetName() == "rds.csi.srvlab.io", err)
	err = served(ctx, connection)
	check("health", err == nil, err)

	made, err := controller.CreateVolume(ctx, volume("go-1"))
	check("create", err == nil && made.GetVolume().GetVolumeId() == "vol-go-1", err)
	probe, err := identity.Probe(ctx, &csi.ProbeRequest{})
	check("probe", err == nil && probe.GetReady().GetValue(), err)
	_, err = controller.CreateVolume(ctx, volume(strings.Repeat("ü", 65)))
	check("error", status.Code(err) == codes.InvalidArgument && strings.Contains(err.Error(), "name must be"), err)

	echo, err := controller.ValidateVolumeCapabilities(ctx, &csi.ValidateVolumeCapabilitiesRequest{
		VolumeId:           "vol-go-1",
		VolumeContext:      map[string]string{"large": strings.Repeat("x", large)},
		VolumeCapabilities: []*csi.VolumeCapability{capability()},
	}, grpc.MaxCallRecvMsgSize(2*large))
	check("large messages", err == nil && len(echo.GetConfirmed().GetVolumeContext()["large"]) == large, err)
}

func deadlines(controller csi.ControllerClient) {
	short, cancel := within(200 * time.Millisecond)
	_, err := controller.CreateVolume(short, volume("go-slow"))
	cancel()
	check("deadline", status.Code(err) == codes.DeadlineExceeded, err)

	ctx, cancel := within(patience)
	defer cancel()
	_, err = controller.CreateVolume(ctx, volume("go-slow"))
	check("retry meanwhile", status.Code(err) == codes.Aborted, err)
	for status.Code(err) == codes.Aborted {
		_, err = controller.CreateVolume(ctx, volume("go-slow"))
	}
	check("retry afterwards", err == nil, err)

	ctx, cancel = within(patience)
	go func() { time.Sleep(100 * time.Millisecond); cancel() }()
	_, err = controller.CreateVolume(ctx, volume("go-cancelled-slow"))
	check("cancel", status.Code(err) == codes.Canceled, err)
}

func atOnce(controller csi.ControllerClient) {
	ctx, cancel := within(patience)
	defer cancel()
	var group sync.WaitGroup
	errors := make([]error, many)
	for i := range errors {
		group.Add(1)
		go func(i int) {
			defer group.Done()
			_, errors[i] = controller.CreateVolume(ctx, volume(fmt.Sprintf("go-many-%d", i)))
		}(i)
	}
	group.Wait()
	wrong := 0
	for _, err := range errors {
		if err != nil {
			wrong++
		}
	}
	check("many at once", wrong == 0, wrong)
}

// served waits until the health service says that the plugin can serve: once it has its device.
func served(ctx context.Context, connection *grpc.ClientConn) error {
	changes, err := healthpb.NewHealthClient(connection).Watch(ctx, &healthpb.HealthCheckRequest{})
	for err == nil {
		var now *healthpb.HealthCheckResponse
		now, err = changes.Recv()
		if err == nil && now.GetStatus() == healthpb.HealthCheckResponse_SERVING {
			return nil
		}
	}
	return err
}

func main() {
	ctx, cancel := within(patience)
	connection, err := grpc.DialContext(ctx, os.Args[1], grpc.WithInsecure(), grpc.WithBlock(),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time: pingEvery, Timeout: pingLimit, PermitWithoutStream: true,
		}))
	cancel()
	if err != nil {
		fmt.Println("FAILED dial:", err)
		os.Exit(1)
	}
	controller := csi.NewControllerClient(connection)
	calls(connection)
	deadlines(controller)
	atOnce(controller)

	time.Sleep(idle)
	ctx, cancel = within(patience)
	defer cancel()
	// Without waiting for a connection: the one from before must still be there.
	_, err = controller.ListVolumes(ctx, &csi.ListVolumesRequest{})
	check("after keep-alive pings", err == nil && connection.GetState().String() == "READY", err)
	if failed {
		os.Exit(1)
	}
}
