{{/* What values.schema.json cannot say, or not in a sentence. */}}
{{- define "token-broker.checks" -}}
{{- $redis := list -}}
{{- range $name := list "REDIS_SENTINELS" "REDIS_CLUSTER_NODES" -}}
{{- if hasKey $.Values.settings $name -}}{{- $redis = append $redis (print "settings." $name) -}}{{- end -}}
{{- end -}}
{{- if hasKey .Values.secret.files "REDIS_URL" -}}{{- $redis = append $redis "secret.files.REDIS_URL" -}}{{- end -}}
{{- if ne (len $redis) 1 -}}
{{- fail (printf "one of secret.files.REDIS_URL, settings.REDIS_SENTINELS and settings.REDIS_CLUSTER_NODES must say where Redis is: %s" (join " and " $redis | default "none does")) -}}
{{- end -}}

{{- with .Values.autoscaling -}}
{{- if and .enabled (gt (int .minReplicas) (int .maxReplicas)) -}}
{{- fail "autoscaling.minReplicas must be at most autoscaling.maxReplicas" -}}
{{- end -}}
{{- end -}}

{{- with .Values.podDisruptionBudget -}}
{{- $fewest := int (ternary $.Values.autoscaling.minReplicas $.Values.replicas $.Values.autoscaling.enabled) -}}
{{- if and .enabled (not (hasSuffix "%" (toString .minAvailable))) (ge (int .minAvailable) $fewest) -}}
{{- fail "podDisruptionBudget.minAvailable must be less than the fewest replicas, or no node could be drained" -}}
{{- end -}}
{{- end -}}

{{- if and .Values.tls.clientCa (not .Values.tls.secret) -}}
{{- fail "tls.clientCa is a key of tls.secret, which must be named" -}}
{{- end -}}
{{- if and .Values.authorities.files (not .Values.authorities.configMap) -}}
{{- fail "authorities.files are keys of authorities.configMap, which must be named" -}}
{{- end -}}
{{- end -}}
