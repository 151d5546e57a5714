{{/* An image of the driver: (list $ NAME). */}}
{{- define "rds-csi.image" -}}
{{- $ := index . 0 -}}
{{- with $.Values.image.registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{ index . 1 }}:{{ $.Values.image.tag | default $.Chart.AppVersion }}
{{- end -}}

{{/* An image of a sidecar: (list $ KEY). */}}
{{- define "rds-csi.sidecar" -}}
{{- $ := index . 0 -}}
{{- $sidecar := index $.Values.sidecars (index . 1) -}}
{{ trimSuffix "/" $.Values.sidecars.registry }}/{{ $sidecar.image }}:{{ $sidecar.tag }}
{{- end -}}

{{/* A value as text: Helm reads whole numbers as floats, and would write 1.073741824e+10. */}}
{{- define "rds-csi.text" -}}
{{- if and (kindIs "float64" .) (eq (int64 . | float64) .) -}}
{{ int64 . | toString }}
{{- else -}}
{{ toString . }}
{{- end -}}
{{- end -}}

{{/* The settings of a service as environment variables: (list $ SERVICE). */}}
{{- define "rds-csi.settings" -}}
{{- $ := index . 0 -}}
{{- range $name, $value := (index $.Values (index . 1)).settings }}
RDS_CSI_{{ $name | upper | replace "-" "_" }}: {{ include "rds-csi.text" $value | quote }}
{{- end -}}
{{- end -}}

{{/* How the replicas are spread: (list $ SERVICE). */}}
{{- define "rds-csi.spread" -}}
{{- $ := index . 0 -}}
{{- if ne $.Values.spread "none" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: {{ eq $.Values.spread "hard" | ternary "DoNotSchedule" "ScheduleAnyway" }}
    labelSelector:
      matchLabels:
        app.kubernetes.io/name: rds-csi
        app.kubernetes.io/component: {{ index . 1 }}
  {{- if eq $.Values.spread "hard" }}
    # Of two ReplicaSets during a roll-out each is spread by itself.
    matchLabelKeys: [pod-template-hash]
  - maxSkew: 1
    topologyKey: topology.kubernetes.io/zone
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        app.kubernetes.io/name: rds-csi
    # Its own kind, and not all pods of the driver.
    matchLabelKeys: [app.kubernetes.io/component, pod-template-hash]
  {{- end }}
{{- end -}}
{{- end -}}
