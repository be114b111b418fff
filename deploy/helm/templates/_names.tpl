{{/* Names, labels, and what every pod has in common. */}}

{{- define "evershelf.name" -}}
{{- if contains "evershelf" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-evershelf" .Release.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{/* The argument of these is (list $ "gateway"): the root and the part's name. */}}
{{- define "evershelf.selector" -}}
app.kubernetes.io/name: evershelf
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "evershelf.metadata" -}}
name: {{ include "evershelf.name" (index . 0) }}-{{ index . 1 }}
namespace: {{ (index . 0).Release.Namespace }}
labels:
  {{- include "evershelf.selector" . | nindent 2 }}
  app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
  app.kubernetes.io/managed-by: {{ (index . 0).Release.Service }}
  helm.sh/chart: {{ (index . 0).Chart.Name }}-{{ (index . 0).Chart.Version }}
{{- end }}

{{- define "evershelf.image" -}}
{{- $root := index . 0 -}}
image: "{{ $root.Values.images.prefix }}/{{ index . 1 }}:{{ $root.Values.images.tag | default $root.Chart.AppVersion }}"
imagePullPolicy: {{ $root.Values.images.pullPolicy }}
{{- end }}

{{/* enableServiceLinks: a Service called evershelf-gateway would otherwise put its address into EVERSHELF_GATEWAY_PORT. */}}
{{- define "evershelf.pod" -}}
{{- $values := index (index . 0).Values (index . 1) -}}
enableServiceLinks: false
automountServiceAccountToken: false
terminationGracePeriodSeconds: {{ $values.graceSeconds }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with (index . 0).Values.images.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "evershelf.confined" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{- define "evershelf.spread" -}}
topologySpreadConstraints:
{{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - topologyKey: {{ . }}
    maxSkew: 1
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "evershelf.selector" $ | nindent 8 }}
{{- end }}
{{- end }}

{{/* The argument is (dict "live" PATH "ready" PATH). A part without its snapshot or model is not ready, and must not be killed. */}}
{{- define "evershelf.probes" -}}
startupProbe:
  httpGet: {path: {{ .live }}, port: http}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: {path: {{ .live }}, port: http}
  periodSeconds: 5
  timeoutSeconds: 10
  failureThreshold: 3
readinessProbe:
  httpGet: {path: {{ .ready }}, port: http}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 2
{{- end }}
