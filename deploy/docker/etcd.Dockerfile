# etcd as Debian has it (3.4.23, with which the tests run), for compose-etcd.yml alone: for a cluster that matters take a version that is
# still looked after (docs/etcd.md).
FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends etcd-server etcd-client && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10002 etcd-data \
    && useradd --uid 10002 --gid etcd-data --home-dir /var/lib/etcd-data --create-home --shell /usr/sbin/nologin etcd-data \
    && chmod 0700 /var/lib/etcd-data
USER 10002:10002
WORKDIR /var/lib/etcd-data
VOLUME /var/lib/etcd-data
ENV ETCDCTL_API=3
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["etcdctl", "endpoint", "health"]
EXPOSE 2379 2380
CMD ["etcd"]
