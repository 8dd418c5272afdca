# An image that takes the place of Toxiproxy's: the same entry point, flags and port.
#
#	docker build -t slownet-proxy .
#	docker run -p 8474:8474 slownet-proxy
#
# It is one static file, run by a user who is nobody; there is no shell.
FROM docker.io/library/golang:1.25 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags=-s -o /out/toxiproxy ./cmd/slownet

FROM scratch
COPY --from=build /out/toxiproxy /toxiproxy
USER 65534:65534
EXPOSE 8474
ENTRYPOINT ["/toxiproxy"]
CMD ["-host=0.0.0.0"]
