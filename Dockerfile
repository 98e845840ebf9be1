# The hub's image: web node, migration, relay and worker are one image with different commands.
# The dashboard has an image of its own, because a node must not carry it.

FROM python:3.13-slim AS tools
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ONLY_BINARY=:all: PIP_REQUIRE_HASHES=1
WORKDIR /build
COPY requirements requirements

FROM tools AS wheel
RUN pip install -r requirements/build.lock
COPY . .
RUN PIP_REQUIRE_HASHES=0 pip wheel --no-deps --no-build-isolation --wheel-dir /wheels .

FROM tools AS hub-packages
# The dependencies first: they change less often than the code and stay in the build cache.
RUN python -m venv /opt/hub && /opt/hub/bin/pip install -r requirements/node.lock
COPY --from=wheel /wheels /wheels
RUN PIP_REQUIRE_HASHES=0 /opt/hub/bin/pip install --no-deps --no-index /wheels/*.whl

FROM tools AS dashboard-packages
RUN python -m venv /opt/hub && /opt/hub/bin/pip install -r requirements/dashboard.lock

FROM python:3.13-slim AS base
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin hub
ENV PATH=/opt/hub/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /opt/hub
USER 10001

FROM base AS dashboard
COPY --from=dashboard-packages /opt/hub /opt/hub
EXPOSE 9181
CMD ["rq-dashboard"]

FROM base AS hub
COPY --from=hub-packages /opt/hub /opt/hub
EXPOSE 8000
CMD ["hub", "serve"]
