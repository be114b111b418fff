{{/* Environments: each part is told what it needs and no more, secrets by reference only. */}}

{{- define "evershelf.settings" -}}
{{- range $name, $value := . }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}

{{/* The argument is (list $ "NAME" "KEY"), the name of the variable and the key in the application's Secret. */}}
{{- define "evershelf.secret" -}}
- name: {{ index . 1 }}
  valueFrom: {secretKeyRef: {name: {{ (index . 0).Values.secrets.app }}, key: {{ index . 2 }}}}
{{- end }}

{{- define "evershelf.database" -}}
- name: EVERSHELF_DATABASE_URL
  valueFrom: {secretKeyRef: {name: {{ .Values.secrets.database }}, key: EVERSHELF_DATABASE_URL}}
{{- end }}

{{- define "evershelf.registry" -}}
{{ include "evershelf.secret" (list . "EVERSHELF_REGISTRY_PUBLIC_KEYS" "EVERSHELF_REGISTRY_PUBLIC_KEYS") }}
{{- with .Values.registry.url }}
- name: EVERSHELF_REGISTRY
  value: {{ . | quote }}
{{- end }}
{{- with .Values.registry.region }}
- name: AWS_REGION
  value: {{ . | quote }}
{{- end }}
{{- with .Values.registry.endpoint }}
- name: AWS_ENDPOINT
  value: {{ . | quote }}
{{- if hasPrefix "http://" . }}
- name: AWS_ALLOW_HTTP
  value: "true"
{{- end }}
{{- end }}
{{- with .Values.registry.credentialsSecret }}
- name: AWS_ACCESS_KEY_ID
  valueFrom: {secretKeyRef: {name: {{ . }}, key: AWS_ACCESS_KEY_ID}}
- name: AWS_SECRET_ACCESS_KEY
  valueFrom: {secretKeyRef: {name: {{ . }}, key: AWS_SECRET_ACCESS_KEY}}
{{- end }}
{{- end }}

{{/* A registry on a volume: where it is mounted, and the volume. Images look for it there by themselves. */}}
{{- define "evershelf.registryMount" -}}
{{- if (index . 0).Values.registry.existingClaim }}
- {name: registry, mountPath: /var/lib/evershelf/registry, readOnly: {{ index . 1 }}}
{{- end }}
{{- end }}

{{- define "evershelf.registryVolume" -}}
{{- with .Values.registry.existingClaim }}
- {name: registry, persistentVolumeClaim: {claimName: {{ . }}}}
{{- end }}
{{- end }}

{{/* Every replica of inference that there may be, by name: a gateway keeps a circuit for each, and probes those that are away. */}}
{{- define "evershelf.inferenceUrls" -}}
{{- $name := printf "%s-inference" (include "evershelf.name" .) -}}
{{- $scaling := .Values.inference.autoscaling -}}
{{- range $index := until (int (ternary $scaling.max .Values.inference.replicas $scaling.enabled)) -}}
{{- if $index }},{{ end }}http://{{ $name }}-{{ $index }}.{{ $name }}:8081
{{- end }}
{{- end }}
