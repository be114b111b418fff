{{/* Pods of the batch image. */}}

{{/* Wrong usage (2), held by the gate (3), another one is at it (4): starting again would change nothing. */}}
{{- define "evershelf.batchLimits" -}}
podFailurePolicy:
  rules:
    - action: FailJob
      onExitCodes: {containerName: {{ . }}, operator: In, values: [2, 3, 4]}
{{- end }}

{{/* The argument is (list $ "NAME"), the container's name. */}}
{{- define "evershelf.batchContainer" -}}
{{- $root := index . 0 -}}
name: {{ index . 1 }}
{{ include "evershelf.image" (list $root "training") }}
{{ include "evershelf.confined" $root }}
resources: {{- toYaml $root.Values.training.resources | nindent 2 }}
volumeMounts:
  - {name: data, mountPath: /var/lib/evershelf/training}
  - {name: tmp, mountPath: /tmp}
  {{- include "evershelf.registryMount" (list $root false) | nindent 2 }}
{{- end }}

{{- define "evershelf.batchVolumes" -}}
volumes:
  - {name: data, emptyDir: {sizeLimit: {{ .Values.training.scratchSize }}}}
  - {name: tmp, emptyDir: {sizeLimit: 1Gi}}
  {{- include "evershelf.registryVolume" . | nindent 2 }}
{{- end }}

{{- define "evershelf.batchEnvironment" -}}
- {name: EVERSHELF_CLI_JSON_LINES, value: "true"}
{{ include "evershelf.database" . }}
{{ include "evershelf.secret" (list . "EVERSHELF_KEY_SECRET" "EVERSHELF_KEY_SECRET") }}
{{ include "evershelf.secret" (list . "EVERSHELF_REGISTRY_SIGNING_KEY" "EVERSHELF_REGISTRY_SIGNING_KEY") }}
{{ include "evershelf.registry" . }}
{{- include "evershelf.settings" .Values.training.settings }}
{{- end }}
