# Batch programs and the operator's command line: train, refresh, migrate, import, keys. Build from the repository's root:
#   docker build -f deploy/docker/training.Dockerfile -t evershelf/training .
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
COPY requirements/training.txt /build/requirements.txt
COPY deploy/docker/evershelf /opt/evershelf/venv/bin/evershelf
RUN python3 -m venv --without-pip /opt/evershelf/venv \
    && python3 -m pip --python /opt/evershelf/venv/bin/python install --no-cache-dir --no-deps --require-hashes -r /build/requirements.txt
COPY src/evershelf /opt/evershelf/src/evershelf
RUN python3 -m compileall -q -j 0 /opt/evershelf/src && mkdir -p /var/lib/evershelf/training /var/lib/evershelf/registry

FROM ${PYTHON_IMAGE}
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="evershelf-training" \
      org.opencontainers.image.description="Evershelf's batch programs and command line." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/evershelf/venv /opt/evershelf/venv
COPY --from=build /opt/evershelf/src /opt/evershelf/src
COPY --from=build --chown=10001:10001 /var/lib/evershelf /var/lib/evershelf
ENV PATH=/opt/evershelf/venv/bin:$PATH \
    PYTHONPATH=/opt/evershelf/src \
    PYTHONUNBUFFERED=1 \
    NUMBA_CACHE_DIR=/var/lib/evershelf/training/compiled \
    EVERSHELF_DATA_DIR=/var/lib/evershelf/training \
    EVERSHELF_REGISTRY=/var/lib/evershelf/registry
USER 10001:10001
WORKDIR /var/lib/evershelf/training
VOLUME ["/var/lib/evershelf/training"]
# Runs to its end and listens nowhere, so there is no health to check: the age of snapshot and model tells on it.
ENTRYPOINT ["evershelf"]
CMD ["--help"]
