# The program in a small image: docker build -t truceline .
FROM rust:1-slim-bookworm AS build
RUN apt-get update -q \
 && apt-get install -q -y --no-install-recommends build-essential perl \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY . .
RUN cargo build --release --locked --bin truceline

FROM debian:bookworm-slim
# Certificates of public authorities, for brokers that have one of theirs.
RUN apt-get update -q \
 && apt-get install -q -y --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --home-dir /var/lib/truceline truceline \
 && install -d -o truceline -g truceline /var/lib/truceline
COPY --from=build /build/target/release/truceline /usr/local/bin/truceline
COPY config /etc/truceline
USER truceline
WORKDIR /var/lib/truceline
VOLUME /var/lib/truceline
# SIGTERM lets it finish what it has read.
STOPSIGNAL SIGTERM
ENTRYPOINT ["truceline"]
CMD ["run"]
