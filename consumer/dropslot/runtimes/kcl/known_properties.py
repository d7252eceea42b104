"""The names of the daemon's properties: it ignores a misspelled one in silence, so they are checked here."""

from typing import Final

#: What the setters of KCL 3.1's MultiLangDaemonConfiguration take; a test compares this with the jar.
CONFIGURATION: Final = frozenset(
    {
        "allowThroughputOvershoot",
        "applicationName",
        "awsCredentialsProvider",
        "awsCredentialsProviderCloudWatch",
        "awsCredentialsProviderDynamoDB",
        "callProcessRecordsEvenForEmptyRecordList",
        "cleanupLeasesUponShardCompletion",
        "clientVersionConfig",
        "coordinatorStateBillingMode",
        "coordinatorStateDeletionProtectionEnabled",
        "coordinatorStatePointInTimeRecoveryEnabled",
        "coordinatorStateReadCapacity",
        "coordinatorStateTableName",
        "coordinatorStateTags",
        "coordinatorStateWriteCapacity",
        "dampeningPercentage",
        "disableWorkerMetrics",
        "dynamoDBEndpoint",
        "enablePriorityLeaseAssignment",
        "failoverTimeMillis",
        "gracefulLeaseHandoffTimeoutMillis",
        "idleTimeBetweenReadsInMillis",
        "ignoreUnexpectedChildShards",
        "inMemoryWorkerMetricsCaptureFrequencyMillis",
        "initialLeaseTableReadCapacity",
        "initialLeaseTableWriteCapacity",
        "initialPositionInStream",
        "initialPositionInStreamExtended",
        "isGracefulLeaseHandoffEnabled",
        "kinesisEndpoint",
        "leaseAssignmentIntervalMillis",
        "leaseTableDeletionProtectionEnabled",
        "leaseTablePitrEnabled",
        "listShardsBackoffTimeInMillis",
        "logWarningForTaskAfterMillis",
        "maxGetRecordsThreadPool",
        "maxLeaseRenewalThreads",
        "maxLeasesForWorker",
        "maxLeasesToStealAtOneTime",
        "maxListShardsRetryAttempts",
        "maxRecords",
        "maxThroughputPerHostKBps",
        "metricsBufferTimeMillis",
        "metricsEnabledDimensions",
        "metricsLevel",
        "metricsMaxQueueSize",
        "millisBehindLatestThresholdForReducedTps",
        "noOfPersistedMetricsPerWorkerMetrics",
        "parentShardPollIntervalMillis",
        "reBalanceThresholdPercentage",
        "regionName",
        "retrievalMode",
        "retryGetRecordsInSeconds",
        "schedulerInitializationBackoffTimeMillis",
        "shardPrioritization",
        "shardSyncIntervalMillis",
        "shutdownGraceMillis",
        "skipShardSyncAtWorkerInitializationIfLeasesExist",
        "staleWorkerMetricsEntryCleanupDuration",
        "streamArn",
        "streamName",
        "tableName",
        "taskBackoffTimeMillis",
        "timeoutInSeconds",
        "validateSequenceNumberBeforeCheckpointing",
        "varianceBalancingFrequency",
        "workerId",
        "workerIdentifier",
        "workerMetricsBillingMode",
        "workerMetricsDeletionProtectionEnabled",
        "workerMetricsEMAAlpha",
        "workerMetricsPointInTimeRecoveryEnabled",
        "workerMetricsReadCapacity",
        "workerMetricsReporterFreqInMillis",
        "workerMetricsTableName",
        "workerMetricsTags",
        "workerMetricsWriteCapacity",
    }
)

#: What KCL 3.5 takes besides.
ADDED_IN_3_5: Final = frozenset(
    {
        "leaseTableScanTotalSegments",
        "migrateAllEntitiesToLeaseTable",
        "tableMigrationCompleteBakeTimeSeconds",
    }
)

#: What the daemon reads from the file itself, before its configuration does.
DAEMON: Final = frozenset({"executableName", "maxActiveThreads", "processingLanguage"})


def known_properties(version: str) -> frozenset[str]:
    """Return all names that a version of KCL, such as ``3.1.3``, understands."""
    major_minor = tuple(int(part) for part in version.split(".")[:2])
    return CONFIGURATION | DAEMON | (ADDED_IN_3_5 if major_minor >= (3, 5) else frozenset())
