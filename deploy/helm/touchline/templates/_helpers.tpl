{{/* The name of all objects: the release's, with the chart's where the release does not have it yet. */}}
{{- define "touchline.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Labels that select the pods of a role. They never change: a Deployment's selector cannot. Takes (list $ "edge"). */}}
{{- define "touchline.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ default $root.Chart.Name $root.Values.nameOverride }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "touchline.labels" -}}
{{- $root := index . 0 -}}
{{ include "touchline.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: touchline
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version }}
{{- end -}}

{{- define "touchline.image" -}}
{{ printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end -}}

{{/* Variables from secrets. Takes a map of names to {secret, key}. */}}
{{- define "touchline.secretVariables" -}}
{{- range $name, $from := . }}
- name: {{ $name }}
  valueFrom:
    secretKeyRef:
      name: {{ required (printf "secrets: %s needs the name of a secret" $name) $from.secret }}
      key: {{ required (printf "secrets: %s needs a key" $name) $from.key }}
{{- end }}
{{- end -}}

{{/* What every pod may do: nothing but its work. */}}
{{- define "touchline.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "touchline.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "touchline.pullSecrets" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* The longest that a pod of edges may take to stop: what each step may take, and a margin. */}}
{{- define "touchline.edgeGraceSeconds" -}}
{{- $edge := .Values.edge -}}
{{- /* 11 s: actions on their way to the log, and close handshakes (docs/fleet.md). */ -}}
{{- add $edge.preStopSeconds $edge.drainGraceSeconds $edge.drainSeconds 11 $edge.stopMarginSeconds -}}
{{- end -}}

{{/* Who may reach ports that are not for clients. */}}
{{- define "touchline.controlFrom" -}}
{{- with .Values.networkPolicy.controlFrom -}}
{{- toYaml . -}}
{{- else -}}
- podSelector: {}
{{- end -}}
{{- end -}}

{{- define "touchline.egress" -}}
{{- with .Values.networkPolicy.egress }}
egress:
  # Names, or nothing could be found.
  - ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
