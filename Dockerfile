# One target for each image:
#   docker build --target controller|node|reconciler|mock-rds|mock-kube|demo .
#
# BASE_IMAGE is any Debian with Python 3.13 and pip: the locks hold the files for that Python, on
# amd64 and arm64.
ARG BASE_IMAGE=python:3.13-slim-trixie

# --- our own wheel, and a virtual environment for each image ------------------------------------

# hadolint ignore=DL3006
FROM ${BASE_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY images/locks/build.txt images/locks/
COPY images/install images/healthy.py images/
RUN --mount=type=cache,target=/root/.cache/pip images/install tools
COPY pyproject.toml README.md LICENSE ./
COPY libs libs
COPY protos protos
COPY rdsctl rdsctl
COPY services services
RUN images/install wheel

FROM build AS build-controller
COPY images/locks/controller.txt images/locks/
RUN --mount=type=cache,target=/root/.cache/pip images/install image controller

FROM build AS build-node
COPY images/locks/node.txt images/locks/
RUN --mount=type=cache,target=/root/.cache/pip images/install image node

FROM build AS build-reconciler
COPY images/locks/reconciler.txt images/locks/
RUN --mount=type=cache,target=/root/.cache/pip images/install image reconciler

FROM build AS build-mock-rds
COPY images/locks/mock-rds.txt images/locks/
RUN --mount=type=cache,target=/root/.cache/pip images/install image mock-rds

FROM build AS build-mock-kube
COPY images/locks/mock-kube.txt images/locks/
RUN --mount=type=cache,target=/root/.cache/pip images/install image mock-kube

FROM build AS build-demo
COPY images/locks/demo.txt images/locks/
RUN --mount=type=cache,target=/root/.cache/pip images/install image demo

# --- what all images have in common ---------------------------------------------------------------

# hadolint ignore=DL3006
FROM ${BASE_IMAGE} AS runtime
ARG VERSION=0.0.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.vendor="RDS CSI driver" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
ENV PATH=/opt/rds-csi/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONUNBUFFERED=1
# Directories with an owner: an empty volume that is mounted there takes it over.
RUN groupadd --system --gid 65532 rds-csi \
    && useradd --system --uid 65532 --gid 65532 --home-dir /nonexistent --no-create-home --shell /usr/sbin/nologin rds-csi \
    && install -d -o rds-csi -g rds-csi /csi /device /device/rds-csi-disks \
        /keys /keys/account /keys/controller /keys/device /keys/kubernetes /keys/reconciler /keys/sre

# --- the images -----------------------------------------------------------------------------------

FROM runtime AS controller
LABEL org.opencontainers.image.title="rds-csi-controller" \
      org.opencontainers.image.description="CSI Identity and Controller for MikroTik ROSE Data Server"
COPY --from=build-controller /opt/rds-csi /opt/rds-csi
ENV RDS_CSI_METRICS_ADDRESS=:9809
USER 65532:65532
HEALTHCHECK --interval=5s --timeout=4s --start-period=20s --retries=3 \
    CMD ["python3", "/opt/rds-csi/healthy.py", "http://127.0.0.1:9809/readyz"]
ENTRYPOINT ["rds-csi-controller"]

# It mounts filesystems, so it runs as root; what else it may do is for whoever starts it to say.
FROM runtime AS node
LABEL org.opencontainers.image.title="rds-csi-node" \
      org.opencontainers.image.description="CSI Identity and Node: NVMe/TCP, filesystems, mounts"
# No versions: the base image says which release of Debian this is, and its fixes are wanted.
# hadolint ignore=DL3008
RUN apt-get update -qq \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        btrfs-progs e2fsprogs mount nvme-cli util-linux xfsprogs \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/* /var/cache/ldconfig/* \
        /var/log/* /etc/nvme/hostid /etc/nvme/hostnqn
COPY --from=build-node /opt/rds-csi /opt/rds-csi
ENV RDS_CSI_METRICS_ADDRESS=:9809
# hadolint ignore=DL3002
USER 0:0
HEALTHCHECK --interval=5s --timeout=4s --start-period=20s --retries=3 \
    CMD ["python3", "/opt/rds-csi/healthy.py", "http://127.0.0.1:9809/readyz"]
ENTRYPOINT ["rds-csi-node"]

FROM runtime AS reconciler
LABEL org.opencontainers.image.title="rds-csi-reconciler" \
      org.opencontainers.image.description="Repairs attachments and finds orphans; with rdsctl"
COPY --from=build-reconciler /opt/rds-csi /opt/rds-csi
ENV RDS_CSI_METRICS_ADDRESS=:9809
USER 65532:65532
HEALTHCHECK --interval=5s --timeout=4s --start-period=20s --retries=3 \
    CMD ["python3", "/opt/rds-csi/healthy.py", "http://127.0.0.1:9809/readyz"]
ENTRYPOINT ["rds-csi-reconciler"]

FROM runtime AS mock-rds
LABEL org.opencontainers.image.title="rds-csi-mock-rds" \
      org.opencontainers.image.description="A simulated ROSE Data Server: RouterOS over SSH"
COPY --from=build-mock-rds /opt/rds-csi /opt/rds-csi
ENV RDS_MOCK_LISTEN=0.0.0.0:2222 RDS_MOCK_CONTROL=127.0.0.1:8022
USER 65532:65532
HEALTHCHECK --interval=5s --timeout=4s --start-period=20s --retries=3 \
    CMD ["python3", "/opt/rds-csi/healthy.py", "http://127.0.0.1:8022/state"]
ENTRYPOINT ["rds-csi-mock-rds"]

FROM runtime AS mock-kube
LABEL org.opencontainers.image.title="rds-csi-mock-kube" \
      org.opencontainers.image.description="A stand-in for the Kubernetes API, for trying things out"
COPY --from=build-mock-kube /opt/rds-csi /opt/rds-csi
ENV RDS_MOCK_KUBE_LISTEN=0.0.0.0:6443 RDS_MOCK_KUBE_CONTROL=127.0.0.1:8023
USER 65532:65532
HEALTHCHECK --interval=5s --timeout=4s --start-period=20s --retries=3 \
    CMD ["python3", "/opt/rds-csi/healthy.py", "http://127.0.0.1:8023/"]
ENTRYPOINT ["rds-csi-mock-kube"]

# It runs once and ends, so there is nothing to ask after.
FROM runtime AS demo
LABEL org.opencontainers.image.title="rds-csi-demo" \
      org.opencontainers.image.description="A volume's whole life, driven and shown; and its keys"
COPY --from=build-demo /opt/rds-csi /opt/rds-csi
COPY demo /opt/rds-csi/demo
ENV PYTHONPATH=/opt/rds-csi
USER 65532:65532
HEALTHCHECK NONE
ENTRYPOINT ["python3", "-m", "demo.compose"]
