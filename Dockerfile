# The consumer: `dropslot consume` with the user's handlers, for arm64 and amd64. docs/container.md says how to run it.
ARG BASE_IMAGE=python:3.13-slim-trixie
# The stages that download. Another image here, of the same Debian and Python, can bring a proxy's certificates, pip's
# configuration, a compiler or Maven: nothing of it reaches the image, which takes two folders from these stages.
ARG BUILD_IMAGE=${BASE_IMAGE}

FROM ${BUILD_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_PROGRESS_BAR=off \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY requirements/build.txt requirements/
RUN python3 -m venv .venv \
    && .venv/bin/pip install --quiet --require-hashes -r requirements/build.txt

# KCL's jars, which change least often and take longest. Of the package only these two modules are here: whatever else
# of it changes doesn't download them again.
FROM build AS jars
COPY requirements/kcl.txt requirements/
COPY scripts/install-kcl scripts/
COPY consumer/dropslot/core/errors.py consumer/dropslot/core/
COPY consumer/dropslot/runtimes/kcl/jars.py consumer/dropslot/runtimes/kcl/
ENV PYTHONPATH=consumer
RUN scripts/install-kcl \
    && folder=$(.venv/bin/python -c 'from dropslot.runtimes.kcl.jars import find_jars; print(find_jars("").folder)') \
    && cp -r "$folder" /jars

FROM build AS wheel
COPY pyproject.toml README.md LICENSE ./
COPY consumer/ consumer/
RUN .venv/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /wheels .

FROM build AS packages
# No pip in there: nothing is installed into a running container.
RUN python3 -m venv --without-pip /opt/dropslot
ENV PIP_PYTHON=/opt/dropslot/bin/python
COPY requirements/runtime.txt requirements/
RUN .venv/bin/pip install --quiet --require-hashes -r requirements/runtime.txt
COPY app/requirements.txt app/
# The lock without its hashes constrains what the user's requirements may resolve to: one set of versions, or no image.
RUN sed -E '/^ *(#|--hash)/d; s/ *\\$//' requirements/runtime.txt >constraints.txt \
    && .venv/bin/pip install -c constraints.txt -r app/requirements.txt
COPY --from=wheel /wheels /wheels
RUN .venv/bin/pip install --quiet --no-deps /wheels/*.whl \
    && .venv/bin/pip check
COPY --from=jars /jars /opt/dropslot/kcl-jars
COPY app/ /srv/dropslot/app/
# Whoever builds the image may keep files private; the consumer runs as another user.
RUN /opt/dropslot/bin/python -m dropslot.runtimes.kcl.jars \
    && python3 -m compileall -q /srv/dropslot \
    && chmod -R a+rX,go-w /opt/dropslot /srv/dropslot

FROM ${BASE_IMAGE}
# Slim bases lack the folder of manual pages, and without it Debian's Java can't be installed. The state folder is open
# to any user, since an engine that mounts a tmpfs there leaves it to root and takes only the mode over.
RUN mkdir --parents /usr/share/man/man1 \
    && apt-get update \
    && apt-get install --quiet=2 --yes --no-install-recommends default-jre-headless \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/log/* \
    && groupadd --gid 10001 dropslot \
    && useradd --uid 10001 --gid 10001 --no-log-init --no-create-home --home-dir /var/lib/dropslot \
        --shell /usr/sbin/nologin dropslot \
    && install --directory --owner 10001 --group 10001 --mode 1777 /var/lib/dropslot
COPY --from=packages /opt/dropslot /opt/dropslot
COPY --from=packages /srv/dropslot /srv/dropslot
ENV PATH=/opt/dropslot/bin:$PATH \
    DROPSLOT_STATE_DIR=/var/lib/dropslot
# All that is ever written: heartbeats and the daemon's properties, and what libraries leave in passing.
VOLUME ["/var/lib/dropslot", "/tmp"]
WORKDIR /srv/dropslot
USER 10001:10001
# Three failures take longer than the supervisor needs to replace a stuck shard process by itself.
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s --retries=3 CMD ["dropslot", "healthy"]
ENTRYPOINT ["dropslot", "consume"]
