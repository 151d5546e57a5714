# Every task lives in ./dev, so that it also runs where there is no make.
TASKS := demo test coverage conformance node-safety kube k8s-check e2e outage chaos fuzz mutation audit monitoring-check monitoring-generate monitoring-pictures hardware vm compose-check bench bench-quick check fmt proto docs site release setup clean
.PHONY: $(TASKS) help
help:
	@./dev help
$(TASKS):
	@./dev $@ $(ARGS)
