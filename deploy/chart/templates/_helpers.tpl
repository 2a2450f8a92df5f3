{{- define "token-broker.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{ .Release.Name | trunc 54 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 54 | trimSuffix "-" }}
{{- end -}}
{{- end -}}

{{- define "token-broker.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ quote .Release.Name }}
{{- end -}}

{{- define "token-broker.labels" -}}
{{ include "token-broker.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end -}}

{{/* What the broker takes over while it runs. These stand in a mounted file alone: what the environment says wins. */}}
{{- define "token-broker.reloadable" -}}
LOG_LEVEL RATE_LIMIT_PER_CALLER RATE_LIMIT_PER_KEY HTTP_CONNECTIONS HTTP_HEADERS_TIMEOUT_MS HTTP_REQUEST_TIMEOUT_MS HTTP_KEEP_ALIVE_MS
{{- end -}}

{{/* A setting as text. Helm reads numbers as floats: six million would be 6e+06. */}}
{{- define "token-broker.text" -}}
{{ if kindIs "string" . }}{{ . }}{{ else }}{{ toJson . }}{{ end }}
{{- end -}}

{{/* All that the drain may take, and ten seconds for what comes before and after. */}}
{{- define "token-broker.gracePeriodSeconds" -}}
{{- $delay := dig "SHUTDOWN_DELAY_MS" 5000 .Values.settings | toJson | int64 -}}
{{- $timeout := dig "SHUTDOWN_TIMEOUT_MS" 15000 .Values.settings | toJson | int64 -}}
{{ add (div (add $delay $timeout 999) 1000) 10 }}
{{- end -}}

{{/* Kubernetes' own token is mounted only where the keys of its JWTs are fetched with it. */}}
{{- define "token-broker.needsApiToken" -}}
{{ contains "/var/run/secrets/kubernetes.io/serviceaccount/" (toJson .Values.jwtIssuers) }}
{{- end -}}

{{- define "token-broker.scheme" -}}
{{ ternary "https" "http" (ne .Values.tls.secret "") }}
{{- end -}}
