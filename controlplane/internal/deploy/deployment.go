package deploy

import (
	"cmp"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/bootstrap"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/parameters"
)

// Annotations of pods: when they change, the pods are replaced.
const (
	annotationBootstrap = "tlsgw.dev/bootstrap-digest"
	annotationSystemCA  = "tlsgw.dev/system-ca-digest"
)

// Names of volumes, and of the port for probes.
const (
	volumeBootstrap = "bootstrap"
	volumeIdentity  = "xds-identity"
	volumeSystemCA  = "system-ca"
	portReady       = "ready"
)

// user is neither root nor anybody on the node.
const user = 65532

// deployment never has fewer proxies than wanted while it replaces them. The
// pod template says nothing of the listeners, so that a new listener does not
// replace the pods.
func (b *builder) deployment(bootstrapDigest string) (*appsv1.Deployment, error) {
	pod, err := b.pod()
	if err != nil {
		return nil, err
	}
	p := b.kube.PodTemplate
	annotations := map[string]string{annotationBootstrap: bootstrapDigest}
	if b.SystemCA != nil {
		annotations[annotationSystemCA] = b.SystemCA.Digest
	}
	template := b.meta("", p.ExtraLabels, together(p.ExtraAnnotations, annotations))
	return &appsv1.Deployment{
		TypeMeta:   metav1.TypeMeta{APIVersion: appsv1.SchemeGroupVersion.String(), Kind: "Deployment"},
		ObjectMeta: b.meta(b.name, nil, nil),
		Spec: appsv1.DeploymentSpec{
			Replicas: b.kube.Deployment.Replicas,
			Selector: &metav1.LabelSelector{MatchLabels: b.selector()},
			Strategy: appsv1.DeploymentStrategy{
				Type: appsv1.RollingUpdateDeploymentStrategyType,
				RollingUpdate: &appsv1.RollingUpdateDeployment{
					MaxSurge: ptr.To(intstr.FromInt32(1)), MaxUnavailable: ptr.To(intstr.FromInt32(0)),
				},
			},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: template.Labels, Annotations: template.Annotations},
				Spec:       *pod,
			},
		},
	}, nil
}

// pod is one that PodSecurity admits as restricted.
func (b *builder) pod() (*corev1.PodSpec, error) {
	container, err := b.container()
	if err != nil {
		return nil, err
	}
	p := b.kube.PodTemplate
	affinity, err := parameters.Affinity(p.Affinity)
	if err != nil {
		return nil, err
	}
	pod := &corev1.PodSpec{
		ServiceAccountName:            b.name,
		AutomountServiceAccountToken:  ptr.To(false),
		EnableServiceLinks:            ptr.To(false),
		TerminationGracePeriodSeconds: ptr.To(ptr.Deref(p.TerminationGracePeriodSeconds, defaultGracePeriod)),
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot: ptr.To(true), RunAsUser: ptr.To[int64](user), RunAsGroup: ptr.To[int64](user), FSGroup: ptr.To[int64](user),
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			// A listener may have a port below 1024.
			Sysctls: []corev1.Sysctl{{Name: "net.ipv4.ip_unprivileged_port_start", Value: "0"}},
		},
		Containers:                []corev1.Container{*container},
		Volumes:                   b.volumes(),
		NodeSelector:              p.NodeSelector,
		Affinity:                  affinity,
		TopologySpreadConstraints: b.spread(),
	}
	for _, toleration := range p.Tolerations {
		pod.Tolerations = append(pod.Tolerations, corev1.Toleration(toleration))
	}
	return pod, nil
}

// spread are the constraints of the parameters, else one that does its best to
// have proxies on different nodes.
func (b *builder) spread() []corev1.TopologySpreadConstraint {
	own := &metav1.LabelSelector{MatchLabels: b.selector()}
	if b.kube.PodTemplate.TopologySpreadConstraints == nil {
		return []corev1.TopologySpreadConstraint{{
			MaxSkew: 1, TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: corev1.ScheduleAnyway, LabelSelector: own,
		}}
	}
	var spread []corev1.TopologySpreadConstraint
	for _, wanted := range b.kube.PodTemplate.TopologySpreadConstraints {
		constraint := corev1.TopologySpreadConstraint(wanted)
		constraint.LabelSelector = cmp.Or(constraint.LabelSelector, own)
		spread = append(spread, constraint)
	}
	return spread
}

func (b *builder) volumes() []corev1.Volume {
	volumes := []corev1.Volume{
		{Name: volumeBootstrap, VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: b.name + contract.ProxyBootstrapSuffix},
		}}},
		{Name: volumeIdentity, VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{
			SecretName: b.name + contract.ProxyIdentitySuffix, DefaultMode: ptr.To[int32](0o440),
		}}},
	}
	if b.SystemCA != nil {
		volumes = append(volumes, corev1.Volume{Name: volumeSystemCA, VolumeSource: corev1.VolumeSource{
			ConfigMap: &corev1.ConfigMapVolumeSource{
				LocalObjectReference: corev1.LocalObjectReference{Name: b.SystemCA.ConfigMap},
			},
		}})
	}
	return volumes
}

func (b *builder) container() (*corev1.Container, error) {
	resources, err := b.resources()
	if err != nil {
		return nil, err
	}
	args := []string{
		"--config-path", bootstrapFolder + "/" + bootstrap.Main,
		// Its shared memory has no place in a pod.
		"--disable-hot-restart",
		"--log-level", "warning",
	}
	// Without a limit, Envoy works with a thread for each CPU of the node.
	if limit, limited := resources.Limits[corev1.ResourceCPU]; limited {
		args = append(args, "--concurrency", strconv.FormatInt(max(1, limit.Value()), 10))
	}
	mounts := []corev1.VolumeMount{
		{Name: volumeBootstrap, MountPath: bootstrapFolder, ReadOnly: true},
		{Name: volumeIdentity, MountPath: identityFolder, ReadOnly: true},
	}
	if b.SystemCA != nil {
		mounts = append(mounts, corev1.VolumeMount{Name: volumeSystemCA, MountPath: SystemCAFile, SubPath: b.SystemCA.Key, ReadOnly: true})
	}
	container := &corev1.Container{
		Name: contract.ProxyContainer, Image: b.image(),
		ImagePullPolicy: corev1.PullIfNotPresent,
		Args:            args,
		Ports:           []corev1.ContainerPort{{Name: portReady, ContainerPort: contract.ReadyPort, Protocol: corev1.ProtocolTCP}},
		Resources:       *resources,
		VolumeMounts:    mounts,
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: ptr.To(false), ReadOnlyRootFilesystem: ptr.To(true),
			Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		},
		// A proxy that waits for its first configuration is not ready, and
		// nothing would be better if it were started again soon.
		StartupProbe:   probe(1, 600),
		ReadinessProbe: probe(5, 2),
		LivenessProbe:  probe(10, 6),
		// What Envoy says last is in the pod's status.
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
	}
	if image := b.kube.EnvoyContainer.Image; image != nil && image.PullPolicy != nil {
		container.ImagePullPolicy = *image.PullPolicy
	}
	if b.drainTime() > 0 {
		container.Lifecycle = &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{
			HTTPGet: httpGet(bootstrap.DrainPath(b.drainToken)),
		}}
	}
	return container, nil
}

func httpGet(path string) *corev1.HTTPGetAction {
	return &corev1.HTTPGetAction{Path: path, Port: intstr.FromString(portReady), Scheme: corev1.URISchemeHTTP}
}

// probe asks every period seconds.
func probe(period, failures int32) *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler:  corev1.ProbeHandler{HTTPGet: httpGet(bootstrap.ReadyPath)},
		PeriodSeconds: period, FailureThreshold: failures, TimeoutSeconds: 2,
	}
}

// resources are small requests, unless the parameters say otherwise. A limit
// without a request is the request too, as everywhere in Kubernetes.
func (b *builder) resources() (*corev1.ResourceRequirements, error) {
	resources, err := parameters.Resources(b.kube.EnvoyContainer.Resources)
	if err != nil {
		return nil, err
	}
	for name, text := range map[corev1.ResourceName]string{corev1.ResourceCPU: "10m", corev1.ResourceMemory: "64Mi"} {
		_, requested := resources.Requests[name]
		_, limited := resources.Limits[name]
		if requested || limited {
			continue
		}
		if resources.Requests == nil {
			resources.Requests = corev1.ResourceList{}
		}
		resources.Requests[name] = resource.MustParse(text)
	}
	return &resources, nil
}

// image puts the parts of the parameters in place of those of the default.
func (b *builder) image() string {
	wanted := b.kube.EnvoyContainer.Image
	if wanted == nil {
		return b.proxy.Image
	}
	name, digest, _ := strings.Cut(b.proxy.Image, "@")
	tag := ""
	if i := strings.LastIndex(name, ":"); i > strings.LastIndex(name, "/") {
		name, tag = name[:i], name[i+1:]
	}
	registry, repository := "", name
	if i := strings.LastIndex(name, "/"); i >= 0 {
		registry, repository = name[:i], name[i+1:]
	}
	switch {
	case wanted.Digest != nil:
		// The default's tag is of another image.
		tag, digest = "", *wanted.Digest
	case wanted.Tag != nil || wanted.Repository != nil:
		digest = ""
	}
	tag = ptr.Deref(wanted.Tag, tag)
	image := ptr.Deref(wanted.Repository, repository)
	if registry := ptr.Deref(wanted.Registry, registry); registry != "" {
		image = strings.TrimSuffix(registry, "/") + "/" + image
	}
	if tag != "" {
		image += ":" + tag
	}
	if digest != "" {
		image += "@" + digest
	}
	return image
}
